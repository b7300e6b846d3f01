"""The conversation with Airtable: the base as code, rows as orders, writes by key, one shared limiter per base.

Knows pyairtable and nothing of runs: what to write is decided by the stages, when a row is due by the store.

    schema · field_map · names     the base as code, and what this base calls it
    cells · fields                 cells as people fill them → domain.order
    answers · client · limiter     errors, calls, one pace for all processes
    bases · board · webhooks       tokens, the `Board` port, push
    setup · doctor · script        connecting a base
"""
