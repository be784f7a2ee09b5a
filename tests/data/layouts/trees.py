"""Trees of empty recordings, and what a layout makes of them."""

from jax_dns.data.layouts import index_clips


def make_tree(root, *paths):
    """Makes empty files; "{a,b}" in a path stands for each of a and b."""
    for path in paths:
        head, brace, rest = path.partition("{")
        if brace:
            choices, _, tail = rest.partition("}")
            make_tree(root, *(f"{head}{choice}{tail}" for choice in choices.split(",")))
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


def index(root, **options):
    """Returns each clip's values by machine type and name, and the lines that were logged."""
    lines = []
    clips = index_clips(root, log=lines.append, **options)
    rows = {(m, c.name): (*c[3:7], c.attributes) for m, rows in clips.items() for c in rows}
    assert all(c.path.is_file() and c.machine == m for m, rows in clips.items() for c in rows)
    return rows, lines
