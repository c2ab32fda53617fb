"""The demo room: drawings, small models and a loopback booru that prove the whole tool offline."""
