"""An SMPP server: clients bind with an account, submit messages, and are told what became of them."""
