--- Ordered expressions of a host: the first one that matches wins. Pure: how a pattern is tested is
-- an argument.
--
-- Each expression starts with a literal, so an index by literals leaves few to be tested: a tree
-- whose inner nodes part at least two literals, and whose leaves hold a few of them. The number of
-- nodes is bounded by the number of expressions, however long they are.
-- A request walks the bytes of its path once. Of the literals on that walk, one without a pattern
-- matches for certain; only patterns that stand before the first of those are tested, in order.

local limits = require("headgate.limits")

local byte, lower, sub = string.byte, string.lower, string.sub
local ipairs, min, sort = ipairs, math.min, table.sort

local LEAF_MAX = 8
local NONE = math.huge
-- Patterns between two looks at the clock.
local LOOK_EVERY = 64

local _M = {}

---@class headgate.expression.group all expressions of one literal
---@field prefix string
---@field literal number position of the first without a pattern
---@field patterns integer[]? positions of those with one, ascending

---@class headgate.expression.node
---@field edge string bytes between the parent and here
---@field group headgate.expression.group? whose literal ends here
---@field children table<integer, headgate.expression.node>? by the first byte of their edge
---@field leaf headgate.expression.group[]? in place of all below

---@class headgate.expressions
---@field root headgate.expression.node
---@field prefixes string[]
---@field patterns any[] by position, false for a literal
---@field routes string[]
---@field test fun(pattern: any, path: string): boolean, string?
---@field clock fun(): number processor time

local function groups_of(list)
    local groups, prefixes = {}, {}
    for position, expression in ipairs(list) do
        local group = groups[expression.prefix]
        if not group then
            group = { prefix = expression.prefix, literal = NONE }
            groups[expression.prefix] = group
            prefixes[#prefixes + 1] = expression.prefix
        end
        if expression.pattern == "" then
            group.literal = min(group.literal, position)
        elseif position < group.literal then
            group.patterns = group.patterns or {}
            group.patterns[#group.patterns + 1] = position
        end
    end
    sort(prefixes)
    for i, prefix in ipairs(prefixes) do
        prefixes[i] = groups[prefix]
    end
    return prefixes
end

local function common_length(a, b, from)
    local length = min(#a, #b)
    local at = from
    while at <= length and byte(a, at) == byte(b, at) do
        at = at + 1
    end
    return at - 1
end

-- Groups first to last are sorted and equal in their first `depth` bytes.
local function build(groups, first, last, depth)
    if last - first < LEAF_MAX then
        local leaf = {}
        for i = first, last do
            leaf[#leaf + 1] = groups[i]
        end
        return { edge = "", leaf = leaf }
    end
    local reach = common_length(groups[first].prefix, groups[last].prefix, depth + 1)
    local node = { edge = sub(groups[first].prefix, depth + 1, reach), children = {} }
    if #groups[first].prefix == reach then
        node.group = groups[first]
        first = first + 1
    end
    while first <= last do
        local letter = byte(groups[first].prefix, reach + 1)
        local upto = first
        while upto < last and byte(groups[upto + 1].prefix, reach + 1) == letter do
            upto = upto + 1
        end
        node.children[letter] = build(groups, first, upto, reach)
        first = upto + 1
    end
    return node
end

--- Prepares the expressions of a host.
---@param list table[] of a host document
---@param regex table `new`, `test` and `clock` of headgate.regex
---@return headgate.expressions
function _M.compile(list, regex)
    local prefixes, patterns, routes = {}, {}, {}
    for position, expression in ipairs(list) do
        prefixes[position] = expression.prefix
        patterns[position] = expression.pattern ~= "" and regex.new(expression.pattern)
        routes[position] = expression.route
    end
    local groups = groups_of(list)
    return {
        root = build(groups, 1, #groups, 0),
        prefixes = prefixes,
        patterns = patterns,
        routes = routes,
        test = regex.test,
        clock = regex.clock,
    }
end

-- Whether `text` goes on with `part` after `depth` bytes, from its byte `from` on.
local function goes_on(text, depth, part, from)
    for i = from, #part do
        if byte(text, depth + i) ~= byte(part, i) then
            return false
        end
    end
    return true
end

-- Lists of positions that the walk has met, and how far each has been looked at. Kept between
-- requests: nothing yields between the walk and its end.
local lists, heads = {}, {}

local function take(group, count, literal)
    if group.patterns then
        count = count + 1
        lists[count] = group.patterns
        heads[count] = 1
    end
    return count, min(literal, group.literal)
end

-- How many lists of patterns are on the way of a path, and the first literal that is.
local function walk(node, text)
    local count, literal, depth = 0, NONE, 0
    while node do
        local leaf = node.leaf
        if leaf then
            for i = 1, #leaf do
                local group = leaf[i]
                if goes_on(text, 0, group.prefix, depth + 1) then
                    count, literal = take(group, count, literal)
                end
            end
            break
        end
        local edge = node.edge
        if not goes_on(text, depth, edge, 1) then
            break
        end
        depth = depth + #edge
        if node.group then
            count, literal = take(node.group, count, literal)
        end
        node = node.children[byte(text, depth + 1)]
    end
    return count, literal
end

-- The least position that no list has been asked for yet.
local function next_position(count)
    local least, from = NONE, nil
    for i = 1, count do
        local position = lists[i][heads[i]]
        if position and position < least then
            least, from = position, i
        end
    end
    if from then
        heads[from] = heads[from] + 1
    end
    return least
end

--- The route of a path. Each pattern may cost a little, and thousands of them may stand in one
-- line: all of a path together have their limit too.
---@param expressions headgate.expressions
---@param path string decoded and normalised
---@return string? route
---@return integer? position of the expression that matched, or that could not be told
---@return string? err without a route: a pattern failed, and none behind it may stand in for it
function _M.match(expressions, path)
    local patterns, test = expressions.patterns, expressions.test
    local count, literal = walk(expressions.root, lower(path))
    local tried, began = 0, nil
    while count > 0 do
        local position = next_position(count)
        if position >= literal then
            break
        end
        tried = tried + 1
        if tried % LOOK_EVERY == 0 then
            local at = expressions.clock()
            began = began or at
            if at - began > limits.patterns_s_max then
                return nil, position, "the patterns of this host cost this path too much"
            end
        end
        local matches, err = test(patterns[position], path)
        if matches then
            return expressions.routes[position], position
        end
        if err then
            return nil, position, err
        end
    end
    if literal < NONE then
        return expressions.routes[literal], literal
    end
    return nil
end

--- An expression as a person would name it.
---@param expressions headgate.expressions
---@param position integer
---@return string
function _M.name(expressions, position)
    local pattern = expressions.patterns[position]
    return pattern and pattern.pattern or expressions.prefixes[position]
end

return _M
