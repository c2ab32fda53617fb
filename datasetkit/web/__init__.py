"""One polite HTTP session a site: honest name, bounded in everything, keys only where they belong.

``Session`` asks a site's API and fetches its files. It is the only part of the project that opens
connections to sites; what it may reach and what it sends there is decided in ``wire``, how long
it waits in ``patience``, what an answer means in ``answers``, how a file becomes whole in
``files``.
"""

from datasetkit.web.answers import Answer, explain
from datasetkit.web.reading import Limits
from datasetkit.web.session import Session
from datasetkit.web.wire import Keys

__all__ = ["Answer", "Keys", "Limits", "Session", "explain"]
