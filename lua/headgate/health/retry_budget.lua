--- How many retries a backend may have: a share of its requests, and a few each second. So one that
-- fails as a whole is not asked twice as often for it. Pure: time is an argument.
-- Sums that fade, as of the last ten seconds; kept per worker. A request adds one to a number; all
-- else is done when something is retried.

local exp, max, min = math.exp, math.max, math.min

local _M = {}

local SPAN_S = 10

---@class headgate.retry_rules
---@field percent number of the requests
---@field min_per_s number of all workers

---@class headgate.retry_budget
---@field asked integer requests since `at`
---@field requests number of the span, until `at`
---@field retries number of the span
---@field at number
---@field spent boolean no request is given further tries

-- Backend id → budget, so that it outlives the backend's document.
local all = {}

local share, least

--- Takes the rules; nil: no limit.
---@param settings headgate.retry_rules?
---@param workers integer how many there are
function _M.configure(settings, workers)
    share = settings and settings.percent / 100
    -- A worker of many must be able to learn that a peer is dead without handing that on.
    local each = settings and max(settings.min_per_s / workers, min(settings.min_per_s, 1))
    least = each and each * SPAN_S
end

--- The budget of a backend.
---@param id string
---@return headgate.retry_budget
function _M.of(id)
    local budget = all[id]
    if not budget then
        budget = { asked = 0, requests = 0, retries = 0, at = 0, spent = false }
        all[id] = budget
    end
    return budget
end

local function settle(budget, now)
    local elapsed = now - budget.at
    if elapsed > 0 then
        local kept = exp(-elapsed / SPAN_S)
        -- As if they had come evenly.
        budget.requests = budget.requests * kept + budget.asked / elapsed * SPAN_S * (1 - kept)
        budget.retries = budget.retries * kept
    else
        budget.requests = budget.requests + budget.asked
    end
    budget.asked, budget.at = 0, now
end

--- Whether a request that begins gets no further tries. Ask where `spent` is set.
---@param budget headgate.retry_budget
---@param now number
---@return boolean
function _M.is_spent(budget, now)
    settle(budget, now)
    budget.spent = share ~= nil and budget.retries + 1 > share * budget.requests + least
    return budget.spent
end

--- Takes a retry from the budget.
---@param budget headgate.retry_budget
---@param now number
---@return boolean allowed
function _M.take(budget, now)
    if _M.is_spent(budget, now) then
        return false
    end
    budget.retries = budget.retries + 1
    return true
end

--- Forgets the backends that are gone.
---@param cache table<string, table> decoded backends by id
function _M.sweep(cache)
    for id in pairs(all) do
        if not cache[id] then
            all[id] = nil
        end
    end
end

return _M
