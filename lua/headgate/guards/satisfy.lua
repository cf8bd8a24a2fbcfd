--- Guards of which one that is passed is enough (nginx's "satisfy any"). Pure.
-- They are the lists of addresses and those that ask for credentials. Whoever is on a list that
-- allows is asked for nothing; a list that only denies lets nobody in by itself, as in nginx.

local ipairs = ipairs

local _M = {}

-- What is said where nobody lets a request in: that something cannot be judged, else how to get
-- in, else that there is no way.
local function rank(status)
    if status >= 500 then
        return 3
    end
    return status == 403 and 1 or 2
end

local function is_on_list(members, request)
    if request.as and request.client == nil then
        return false
    end
    local allows = false
    for _, guard in ipairs(members) do
        if guard.judge(guard, request) then
            return false
        end
        allows = allows or #guard.allow > 0
    end
    return allows
end

-- A guard that is not asked has still to take away what a client could say in its name.
local function skip(asking, from, request)
    for i = from, #asking do
        local one = asking[i]
        if one.skip then
            one.skip(one, request)
        end
    end
end

local function judge(guard, request)
    local asking = guard.asking
    if is_on_list(guard.lists, request) then
        return skip(asking, 1, request)
    end
    local status, reason, headers
    for i, one in ipairs(asking) do
        local its_status, its_reason, its_headers = one.judge(one, request)
        if not its_status then
            return skip(asking, i + 1, request)
        end
        if not status or rank(its_status) > rank(status) then
            status, reason, headers = its_status, its_reason, its_headers
        end
    end
    return status, reason, headers
end

local function note(guard, request)
    for _, one in ipairs(guard.asking) do
        local text = one.note and one.note(one, request)
        if text then
            return text .. ", unless the address is on a list that allows"
        end
    end
end

--- Puts the guards of a route of which one is enough into one. Where none of them asks for
-- credentials there is nothing to choose from.
---@param filters headgate.filters
function _M.any(filters)
    if not filters.asking then
        return
    end
    local lists, others = {}, {}
    for _, guard in ipairs(filters.guards or {}) do
        local to = guard.kind == "access" and lists or others
        to[#to + 1] = guard
    end
    filters.guards = #others > 0 and others or nil
    local one = {
        kind = "satisfy", lists = lists, asking = filters.asking, judge = judge, note = note,
    }
    filters.asking = { one }
end

return _M
