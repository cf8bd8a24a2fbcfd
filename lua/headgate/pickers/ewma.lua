--- Peak EWMA with two choices: of two random peers the one that answers sooner and has less to do
-- (as in Finagle and ingress-nginx). Pure: time and chance are arguments.
-- A late answer counts at once, an early one bit by bit; without any the cost fades, so that a
-- peer that was slow is tried again, by one request at a time.

local exp = math.exp

local _M = {}

-- How long an answer counts, in seconds; ingress-nginx has the same.
local DECAY_S = 10
-- Answers are not told apart below it: nginx's clock has steps of a millisecond.
local COST_S_MIN = 0.001

---@class headgate.peer_state
---@field in_flight integer requests of this worker
---@field cost number seconds that an answer takes
---@field at number when that was last known

--- Takes in how long a peer took to answer.
---@param state headgate.peer_state
---@param seconds number
---@param now number
function _M.observe(state, seconds, now)
    local kept = exp((state.at - now) / DECAY_S)
    state.at = now
    if seconds >= state.cost then
        state.cost = seconds
    else
        state.cost = state.cost * kept + seconds * (1 - kept)
    end
end

local function score(state, weight, now)
    local cost = state.cost
    if state.in_flight == 0 then
        cost = cost * exp((state.at - now) / DECAY_S)
    end
    return (cost > COST_S_MIN and cost or COST_S_MIN) * (state.in_flight + 1) / weight
end

local function untried(count, tried)
    local left = {}
    for i = 1, count do
        if not tried[i] then
            left[#left + 1] = i
        end
    end
    return left
end

--- The next peer.
---@param states headgate.peer_state[]
---@param weights integer[]
---@param tried table<integer, boolean>? peers that must not be taken
---@param now number
---@param random fun(high: integer): integer from 1 to `high`
---@return integer? index nil when every peer was tried
function _M.next(states, weights, tried, now, random)
    local left = tried and untried(#states, tried)
    local count = left and #left or #states
    if count < 2 then
        return left and left[1] or not left and states[1] and 1 or nil
    end
    local first, second = random(count), random(count - 1)
    if second >= first then
        second = second + 1
    end
    if left then
        first, second = left[first], left[second]
    end
    local one = score(states[first], weights[first], now)
    return one <= score(states[second], weights[second], now) and first or second
end

return _M
