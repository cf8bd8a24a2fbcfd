--- Which of the Services of a route gets a request: the one it is bound to by its session cookie,
-- the first that it asks for by header or cookie, else one by lot.
-- A Service without peers is passed over while another one may take the request: one that did not
-- say "never" to it, and that is open to everybody, which is what a weight says.

local bit = require("bit")
local said_of = require("headgate.filters.split").said

local band, bor, lshift = bit.band, bit.bor, bit.lshift
local gmatch = string.gmatch
local random = math.random
local ipairs, pairs = ipairs, pairs
local var = ngx.var

local _M = {}

local function copy(of)
    local made = {}
    for name, value in pairs(of) do
        made[name] = value
    end
    return made
end

--- Makes the route of each choice: that of the first Service but for what is of the Service, so
-- that nothing that comes later has to know which it was.
---@param route table a decoded route; its choices get theirs as `route`
---@param split headgate.split
---@param own fun(choice: headgate.split_choice): table?, string? what differs; nil and why it
---  cannot be used
---@return string? err
function _M.derive(route, split, own)
    for _, choice in ipairs(split.choices) do
        local differs, err = own(choice)
        if not differs then
            return err
        end
        local derived = copy(route)
        for name, value in pairs(differs) do
            derived[name] = value
        end
        derived.split = nil
        derived.filters = copy(route.filters)
        derived.filters.tls_name = choice.tls_name
        choice.route = derived
    end
end

-- The first of that name, without regard to case, as nginx finds it.
local function cookie_in(header, name)
    for key, value in gmatch(header or "", "([^=;%s]+)=([^;]*)") do
        if key:lower() == name:lower() then
            return value
        end
    end
end

local function said(split, choice, as)
    local header, cookie
    if as then
        local headers = as.headers
        header = choice.header and headers and headers[choice.header]
        cookie = choice.cookie and headers and cookie_in(headers.cookie, choice.cookie)
    else
        header = choice.header and var[choice.header_variable]
        cookie = choice.cookie and var[choice.cookie_variable]
    end
    return said_of(split, choice, header, cookie)
end

-- The choice that a request asks for, and those that it does not want, as bits.
local function asked(split, as)
    local choices, never = split.choices, 0
    for i = 1, #choices do
        local choice = choices[i]
        if not choice.broken and (choice.header or choice.cookie) then
            local wanted, why = said(split, choice, as)
            if wanted then
                return choice, why, never
            elseif wanted == false then
                never = bor(never, lshift(1, i))
            end
        end
    end
    return nil, nil, never
end

local function is_open(split, at, never)
    local choice = split.choices[at]
    return not choice.broken and choice.share > 0 and band(never, lshift(1, at)) == 0
end

local function by_lot(split, never)
    local lot = random()
    local choices = split.choices
    for i = 1, #choices do
        local choice = choices[i]
        if lot >= choice.from and lot < choice.from + choice.share then
            return is_open(split, i, never) and choice or nil
        end
    end
end

-- For explain, which must not be different each time: the one with the greatest share.
local function by_share(split, never)
    local choices, best = split.choices, nil
    local most = 1
    for i = 1, #choices do
        most = most - (is_open(split, i, never) and choices[i].share or 0)
    end
    for i = 1, #choices do
        if is_open(split, i, never) and choices[i].share > most then
            best, most = choices[i], choices[i].share
        end
    end
    return best
end

--- What part of the requests that say nothing each Service gets, for explain.
---@param route table with `split`
---@return table<string, number> shares 0 to 1, by backend
function _M.shares(route)
    local shares, rest = {}, 1
    for _, choice in ipairs(route.split.choices) do
        local share = choice.broken and 0 or choice.share
        shares[choice.backend] = (shares[choice.backend] or 0) + share
        rest = rest - share
    end
    shares[route.backend] = (shares[route.backend] or 0) + rest
    return shares
end

---@alias headgate.split_find fun(key: string): table?, integer?, string? a backend with peers

--- The Service of a request.
---@param route table with `split`
---@param as headgate.request.as? nil: the running request
---@param find headgate.split_find
---@param bound headgate.split_choice|boolean|nil what a session cookie says; true: the first
---@return table? backend
---@return table|integer route_or_status with a backend the route that serves it
---@return string? why the Service was chosen, or why there is none
function _M.choose(route, as, find, bound)
    local split = route.split
    local choice, why, never
    if bound then
        choice, why, never = bound ~= true and bound or nil, "session", 0
    else
        choice, why, never = asked(split, as)
        if not choice then
            why = "weight"
            choice = (as and by_share or by_lot)(split, never)
        end
    end
    local backend, status, reason
    if choice then
        backend = find(choice.backend)
        if backend then
            return backend, choice.route, why
        end
        why = "the one chosen has no peers"
    end
    backend, status, reason = find(route.backend)
    if backend then
        return backend, route, why
    end
    for i = 1, #split.choices do
        if is_open(split, i, never) then
            backend = find(split.choices[i].backend)
            if backend then
                return backend, split.choices[i].route, "the one chosen has no peers"
            end
        end
    end
    return nil, status, reason
end

return _M
