-- One row for the run $run: GPU temperature at the ends of its windows, and how far their energy can be off; none where there is no such run.
select
    min(gpu_temperature_c) as temperature_low_c,
    max(gpu_temperature_c) as temperature_high_c,
    100 * median(energy_error_j / energy_j) as error_median_percent,
    100 * max(energy_error_j / energy_j) as error_most_percent
from requests
where run_number = (select run_number from runs where run_id = $run)
group by run_number
