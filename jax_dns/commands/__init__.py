"""The commands of `jax-dns`, a file each; `main(arguments)` runs it."""
