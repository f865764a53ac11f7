"""What outgrew summarize-conversations.py: sentences, cues, topics and what relates to what. Pure functions, no disk."""
