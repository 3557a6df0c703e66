"""``python -m batcher`` is the batcher command."""

from batcher.cli import main

if __name__ == "__main__":
    main()
