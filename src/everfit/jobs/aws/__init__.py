"""Programs that run inside SageMaker's containers.

``launch``, ``score`` and ``score_own`` are sent as they stand to images that know nothing of Everfit: they import
nothing but the standard library and each other, and run on Python 3.7 or newer. ``fetch`` runs where Everfit is.
"""
