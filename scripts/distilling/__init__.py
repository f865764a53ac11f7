"""The parts of wiki-distill.py: evidence (what speaks of a topic), groups (what is due), pages (what is written)."""
