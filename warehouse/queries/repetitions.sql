-- One row per run of ours: its `setup`, which the runs share that repeat each other, the card, the pass, the kernels that it searched, the seed, J/token, the standard error of its
-- logarithm within the run, over so many prompts or windows, and what its meter may be off in all of it (relative, half-width).
select
    'run:' || repetitions.run_id as result_id,
    repetitions.run_number, repetitions.setup, repetitions.card, repetitions.pass_id, repetitions.search, repetitions.seed,
    repetitions.harness_version, repetitions.valid, repetitions.measured, repetitions.energy_per_token_j,
    repetitions.token_log_error, repetitions.token_units, repetitions.calibration
from repetitions
order by repetitions.run_number
