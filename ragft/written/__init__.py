"""Questions that a model writes from documents: asked for, read strictly, checked one by one, and counted."""
