--- When a peer is ejected, and for how long. Pure: time is an argument.
-- What is counted here is one worker's: a peer that fails in every request is soon ejected by one
-- of them, for all.

local floor, max, min = math.floor, math.max, math.min

local _M = {}

-- Fewer requests than that in a window say nothing of a rate.
local ASKED_MIN = 20

---@class headgate.health_rules
---@field enabled boolean
---@field failures integer in a row, after which a peer is ejected
---@field error_percent integer of a window's requests, from which on a peer is ejected; 0: never
---@field window_s number
---@field back_off_s number of the first ejection
---@field back_off_s_max number
---@field ejected_percent_max integer of a backend's peers
---@field panic_percent integer if more peers than that are out, all are used

---@class headgate.failure_count
---@field row integer failures since the last success
---@field from number when the window began: with a failure
---@field asked integer requests that ended in the window
---@field failed integer

--- A count that begins now.
---@param now number
---@return headgate.failure_count
function _M.new(now)
    return { row = 0, from = now, asked = 0, failed = 0 }
end

local function roll(count, rules, now)
    if now - count.from >= rules.window_s or now < count.from then
        count.from, count.asked, count.failed = now, 0, 0
    end
end

--- Takes in a failure.
---@param count headgate.failure_count
---@param rules headgate.health_rules
---@param now number
---@return boolean eject
function _M.failed(count, rules, now)
    roll(count, rules, now)
    count.row = count.row + 1
    count.asked = count.asked + 1
    count.failed = count.failed + 1
    return count.row >= rules.failures
        or (rules.error_percent > 0 and count.asked >= ASKED_MIN
            and count.failed * 100 >= rules.error_percent * count.asked)
end

--- Takes in an answer.
---@param count headgate.failure_count
---@param rules headgate.health_rules
---@param now number
---@return boolean well nothing is left to be remembered
function _M.succeeded(count, rules, now)
    roll(count, rules, now)
    count.row = 0
    count.asked = count.asked + 1
    return count.failed == 0
end

---@class headgate.peer_record of shared memory
---@field out boolean
---@field since number when it was ejected, or came back
---@field until_s number no request before it; of one that is out
---@field times integer ejections of late
---@field cause string of the last failure
---@field failures integer that the ejecting worker saw in its window

--- How many ejections count by now: for each first back-off that a peer was well, one is forgotten.
---@param record headgate.peer_record
---@param rules headgate.health_rules
---@param now number
---@return integer
function _M.times(record, rules, now)
    if record.out then
        return record.times
    end
    return max(0, record.times - floor(max(0, now - record.since) / rules.back_off_s))
end

--- The record of a peer that is ejected now.
---@param before headgate.peer_record?
---@param rules headgate.health_rules
---@param now number
---@param cause string
---@param failures integer
---@return headgate.peer_record
function _M.ejected(before, rules, now, cause, failures)
    local times = (before and _M.times(before, rules, now) or 0) + 1
    return {
        out = true,
        since = before and before.out and before.since or now,
        until_s = now + min(rules.back_off_s_max, rules.back_off_s * times),
        times = times,
        cause = cause,
        failures = failures,
    }
end

--- The record of a peer that is used again.
---@param before headgate.peer_record
---@param now number
---@return headgate.peer_record
function _M.returned(before, now)
    return {
        out = false, since = now, until_s = now, times = before.times, cause = before.cause,
        failures = 0,
    }
end

--- Whether one more peer may be out: one at least stays, and one of two may go.
---@param out integer peers that are out
---@param count integer peers there are
---@param rules headgate.health_rules
---@return boolean
function _M.may_eject(out, count, rules)
    local most = max(1, floor(count * rules.ejected_percent_max / 100))
    return out + 1 <= min(most, count - 1)
end

--- Whether so many peers are out that all are used.
---@param out integer
---@param count integer
---@param rules headgate.health_rules
---@return boolean
function _M.panics(out, count, rules)
    return out >= count or out * 100 > rules.panic_percent * count
end

--- When a peer that is out may be tried: first by requests that can be sent elsewhere if it fails,
-- a while later by any, for some backends get no others. A clock that goes back keeps nobody out.
---@param record headgate.peer_record
---@param rules headgate.health_rules
---@param now number
---@param safe boolean the request can be sent again
---@return boolean
function _M.is_due(record, rules, now, safe)
    local left = record.until_s - now
    if left > rules.back_off_s_max then
        return true
    end
    return left <= (safe and 0 or -rules.back_off_s / 2)
end

return _M
