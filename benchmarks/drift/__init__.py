"""How often the drift engine cries wolf and how soon it finds a change, beside an offline oracle and the peers."""
