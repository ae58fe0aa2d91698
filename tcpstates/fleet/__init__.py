"""Other hosts: asked over ssh, or through any command that runs another one there.

Nothing is installed or written on the far side. A small part of this program is sent
through the connection into memory and answers there; a host without a suitable Python
prints what its own tools print, which is read like a saved listing.
"""
