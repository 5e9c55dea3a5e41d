"""What every backend does with files on a disk: walk folders, write without halves, pack, unpack and count."""
