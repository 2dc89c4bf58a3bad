"""Ground floor: time, chance, identity, values, problems and the ports. Imports nothing of ours."""
