"""The paper reproduced, and what goes past it: one script a table or figure. ``make experiments`` runs them all."""
