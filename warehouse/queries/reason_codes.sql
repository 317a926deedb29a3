-- One row per reason that a verdict can give.
select
    code,
    scope,
    invalidates,
    meaning
from reason_codes
order by
    scope,
    invalidates desc,
    code
