"""Paths on the command line, of every command."""

from pathlib import Path

import pytest

from jax_dns.commands.parser import Parser
from jax_dns.errors import UsageError


@pytest.fixture
def parser():
    parser = Parser("try", "Try.")
    parser.add_argument("--out", type=Path)
    parser.add_argument_group("more").add_argument("--data", type=Path, default=Path("here"))
    return parser


def test_a_home_folder_is_expanded(parser, monkeypatch):
    monkeypatch.setenv("HOME", "/home/one")
    options = parser.parse_args(["--out=~/x", "--data", "~/a b"])
    assert (options.out, options.data) == (Path("/home/one/x"), Path("/home/one/a b"))
    assert parser.parse_args(["--out=x~/y"]).out == Path("x~/y")
    assert parser.parse_args([]).data == Path("here")


@pytest.mark.parametrize("option", ["--out", "--data"])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gs://bucket/x", "gs://bucket/x, expected a local path"),
        ("", "empty, expected a path"),
        ("~nobody-of-this-name/x", "expected a path without ~"),
    ],
)
def test_what_is_no_path_of_this_machine(parser, option, path, message):
    with pytest.raises(UsageError) as error:
        parser.parse_args([option, path])
    assert f"argument {option}: " in str(error.value) and message in str(error.value)
