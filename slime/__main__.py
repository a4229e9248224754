"""``python -m slime``, the same as the ``slime`` command."""

from slime.cli import main

if __name__ == "__main__":
    main()
