"""The pages on which a workspace is set up and looked after: people, keys, policies, lists, the audit log."""
