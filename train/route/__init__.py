# SPDX-License-Identifier: Apache-2.0
"""The ternary classifier that says whether a small local model will do (models/tern-thin.md)."""
