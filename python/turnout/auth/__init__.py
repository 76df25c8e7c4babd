"""How a provider is told who is asking: each way in a file, described by data that rows and configuration share.

A *key* is text that travels as it is, in a header or a query parameter. An *identity* stands in for a key: AWS
credentials that sign each request, a Google or Entra account that is exchanged for tokens of short life. What must be
fetched is fetched here, beside the traffic, and reaches the plane with the next snapshot.
"""
