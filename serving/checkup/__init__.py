"""What `serving.doctor` looks at besides the parts of an application: the machine, its files, and what is behind."""
