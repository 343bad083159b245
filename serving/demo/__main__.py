"""`python -m serving.demo`: see `serving.demo.run`."""

import sys

from serving.demo.run import main

if __name__ == "__main__":
    sys.exit(main())
