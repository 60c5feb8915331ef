"""Camera profiles: what a camera does to light at each ISO, on the disk and in other tools' formats."""
