-- One row per reason that a verdict can give.
from reason_codes
order by scope, invalidates desc, code
