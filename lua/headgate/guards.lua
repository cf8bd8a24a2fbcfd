--- The guards of a route: what decides whether a request is let in. Pure.
-- They stand in one order, whichever a document has: what is cheap and asks nothing comes first,
-- so that whoever is kept out learns nothing more. Those that ask for credentials have a list of
-- their own, for between the two a request is sent to https: a password is not asked for in the
-- clear.

local concat, insert = table.concat, table.insert
local ipairs, pairs, pcall, tostring = ipairs, pairs, pcall, tostring

local _M = {}

-- Kind of filter → its place.
local PLACES = {
    client_certificate = 0, access = 1, limit = 2, basic_auth = 3, external_auth = 4,
}
local FIRST_THAT_ASKS = PLACES.basic_auth

-- `judge` takes the guard and a request: nil lets it in; else a status, why, and headers of the
-- answer by name, or nil. It may wait and may raise an error; for explain it changes nothing and
-- asks nobody. `note` takes the same: what explain says of what `judge` leaves out for it.
---@class headgate.guard
---@field judge function
---@field note function?
---@field skip function? takes the same; called where another guard was enough
---@field kind string? set by `add`, as is `place`
---@field place integer?

---@class headgate.guarded a request as guards see it
---@field host string lower case, without port
---@field path string decoded and normalised
---@field uri string as it would be sent
---@field client string|false|nil bytes of its address, false for none; nil: not known to explain
---@field as headgate.request.as? whose request it would be, for explain; nil: the running request

--- Puts a guard into its place.
---@param filters headgate.filters
---@param kind string of its filter
---@param guard headgate.guard
function _M.add(filters, kind, guard)
    local place = PLACES[kind]
    local name = place < FIRST_THAT_ASKS and "guards" or "asking"
    local list = filters[name] or {}
    filters[name] = list
    guard.kind, guard.place = kind, place
    local at = #list + 1
    while at > 1 and list[at - 1].place > place do
        at = at - 1
    end
    insert(list, at, guard)
end

-- Refusals of this worker since the last flush, under their keys.
local refused = {}

local function count(guard, status)
    local key = "refused " .. guard.kind .. " " .. status
    refused[key] = (refused[key] or 0) + 1
end

--- Hands over how many requests were kept out, and forgets it.
---@param add fun(key: string, amount: integer)
function _M.flush(add)
    for key, amount in pairs(refused) do
        add(key, amount)
        refused[key] = nil
    end
end

local function run(list, request)
    for i = 1, #list do
        local guard = list[i]
        local status, reason, headers = guard.judge(guard, request)
        if status then
            if not request.as then
                count(guard, status)
            end
            return status, reason, headers
        end
    end
end

--- The word of the first guard that does not let a request in. One that fails lets nobody in.
---@param list headgate.guard[]
---@param request headgate.guarded
---@return integer? status nil: all of them let it in
---@return string? reason
---@return table<string, string>? headers of the answer
function _M.judge(list, request)
    local ok, status, reason, headers = pcall(run, list, request)
    if not ok then
        return 503, "a guard cannot be evaluated: " .. tostring(status)
    end
    return status, reason, headers
end

--- What explain says of what was left out for it.
---@param filters headgate.filters
---@param request headgate.guarded
---@return string? note
function _M.note(filters, request)
    local notes = {}
    for _, list in ipairs({ filters.guards or {}, filters.asking or {} }) do
        for _, guard in ipairs(list) do
            local note = guard.note and guard.note(guard, request)
            if note and note ~= notes[#notes] then
                notes[#notes + 1] = note
            end
        end
    end
    return #notes > 0 and concat(notes, "; ") or nil
end

return _M
