from hypothesis import settings

# What a test takes on a busy machine says nothing; how long it may hang is pytest-timeout's affair. The profile that
# hypothesis loads by itself, in CI a derandomised one, stays as it is otherwise.
current = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("no deadline", parent=current, deadline=None)
settings.load_profile("no deadline")
