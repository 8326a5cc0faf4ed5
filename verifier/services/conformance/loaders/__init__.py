"""Readers of genesis documents, block files and test fixtures. Pure parsing: nothing is executed or believed.

`genesis` (geth, hive), `rlp_chain` (blocks end to end), `hive_chain` (both), `blockchain_test` (ethereum/tests,
execution-spec-tests), `blockchain_test_engine` (Engine API payloads), `stateless_test` (with their witnesses),
`state_test` (made into blocks), `witness_files` (and evidence bundles), `networks` (fork names of fixtures), `fixtures`
(files and directories of tests), `document` (JSON and its values).
"""
