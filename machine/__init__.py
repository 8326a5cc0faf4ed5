"""py-evm completed: its virtual machines to today's forks, its mistakes corrected, its missing rules added.

`configuration` makes the machine of a fork of a chain, `osaka` is what py-evm ends before, `completion` what is mixed
into every fork's machine, `corrections` what is put right in py-evm itself. Used by everything of the lineage pyevm.
"""
