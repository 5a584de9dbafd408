"""What a picture shows: its perceptual hashes, its likeness to a radiograph, and the pictures inside a figure.

A chest radiograph is as good as a name: published work tells whether two of them are of one person with an area under
the curve of 0.994 (Packhäuser et al. 2022). Needs numpy and Pillow; loaded before the walls stand.
"""
