# SPDX-License-Identifier: Apache-2.0
"""Training of tern's sparse ternary toroidal networks, and their export to GGUF."""
