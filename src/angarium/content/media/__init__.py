"""Files of a workspace beside its words: pictures, sounds, films and documents."""
