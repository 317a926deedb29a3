"""The tables and runs of the ML.ENERGY Leaderboard and Benchmark."""
