"""The demo PKI: the certification authorities, OCSP responder and timestamping unit of tests and of the demo.

It stands where real trust services stand in production and vouches for nobody: every name in it says TEST.
"""
