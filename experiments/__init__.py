"""Reproduces the tables and figures of the paper and adds controls: one script per table or figure.

``make experiments`` runs all of them.
"""
