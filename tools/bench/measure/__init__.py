"""What every section of the bench measures with: rows and their bars, the machine's speed, two commits in turns."""
