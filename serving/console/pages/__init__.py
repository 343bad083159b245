"""Which pages are there? One module for each group of them, named in `GROUPS`.

To add a group, say `scans`:

1. `serving/console/pages/scans.py` with functions `async def show(view: View) -> Response`, and the table
   `PAGES = (Page(method="GET", path="/scans/{scan_id}", answer=show), ...)`. To appear in the navigation and on the
   first page: `NAV = Nav(group="scans", path="/scans", needs=ListScansRequest, key="l")`.
2. `"scans"` in `GROUPS` below.
3. `serving/console/templates/scans/*.html`, which extend `base/page.html` and draw with the macros of
   `base/macros.html`: badges, tables, times, fields, dialogs. A template that extends nothing is a part of a page.
4. `serving/console/words/scans.en.toml` and `.zh.toml`: every word that people read, `t("scans.title")`. Codes of
   the service's own lists (verdicts, states, reasons) go through `t.term("verdict", name)`, words in `terms.*.toml`.

In a page's function:

- `view.ask(GetScanRequest(...))` calls the rpc `GetScan` in the person's name. Do not catch its errors, they become
  pages; only a form that shows the fields at fault again catches `grpc.aio.AioRpcError` and reads `failure_of(error)`.
- `view.request.path_params`, `.query_params` and `view.form` are what was sent; whatever changes something is a POST,
  whose form holds `{{ csrf_field() }}` (htmx sends the token by itself), and ends with `view.tell("scans.saved")`
  and `return view.go("/scans")`.
- `view.page("scans/show.html", scan=...)` answers, with a part of a page too; `view.by_htmx` tells whether one is
  wanted.
- `view.may(GetScanRequest)` tells whether the service lets this person; a button that would be refused is not drawn.
- What a page asks by itself while it lies open has `background=True`: it keeps nobody signed in. A part that it loads
  after itself (`hx-trigger="load"`) has `lazy=True` besides: what fails is told where the part would stand.
- Sheets and scripts of a group's own go into `{% block head %}`.
- `data-key="n"` on a link or button makes it a shortcut, `data-key-name` its line in the help; `data-row` on rows gives
  J and K, `data-focus="/"` on a field the slash, `data-opens="ID"` on a button opens a dialog.
- No style or script stands in a template: the policy of `serving.console.guard` would not run it. Rules go into
  `static/console.css`, under the heading of the group.

The tests in `tests/integration/test_console_*.py` walk `GROUPS`, so that a new page has its headers, its words in both
languages and its sign-in proved without another line; give it a test of what it shows.
"""

GROUPS = (
    "signing", "home", "queue", "case", "gold", "images", "sellers", "appeals", "law", "portal", "rights", "references",
    "brand_terms", "advice", "applications", "buyers", "insight", "record", "help",
)  # fmt: skip
