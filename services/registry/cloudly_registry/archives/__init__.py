"""Images as archives, read and written as streams: nothing is kept but what is being looked at.

tar.py         the tar format, in pieces       importing.py   an archive -> blobs, manifest, tag
layouts.py     what an archive says is in it   exporting.py   a manifest -> an archive
"""
