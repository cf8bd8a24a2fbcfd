local basic_auth = require("headgate.filters.basic_auth")
local cjson = require("cjson")
local clients = require("headgate.guards.clients")
local networks = require("headgate.networks")
local password_hash = require("headgate.guards.password_hash")

-- test/unit/model/users.test.ts holds the agent to the same list.
local file = assert(io.open("test/lua/documents/hashes.json"))
local hashes = cjson.decode(file:read("*a"))
file:close()

describe("password hashes", function()
    it("are of a form that is known and does not cost too much", function()
        assert(#hashes.good > 10 and #hashes.bad > 20)
        for _, hash in ipairs(hashes.good) do
            local form, problem = password_hash.read(hash)
            assert.is_nil(problem)
            assert.is_table(form, hash)
        end
        for _, hash in ipairs(hashes.bad) do
            local form, problem = password_hash.read(hash)
            assert.is_nil(form, hash)
            assert.is_string(problem, hash)
        end
    end)

    it("have a decoy among them as dear as the dearest", function()
        local bcrypt = hashes.good[1]
        local users = { a = "{PLAIN}x", b = bcrypt, c = "$apr1$abcdefgh$xxxxxxxxxxxxxxxxxxxxxx" }
        assert.equal(bcrypt, basic_auth.new_users({ users = users }).decoy)
        assert.is_nil(basic_auth.new_users({ users = {} }).decoy)
    end)
end)

describe("clients", function()
    local function key(address)
        return clients.key(networks.address(address))
    end

    it("of IPv6 are a /64, of IPv4 an address", function()
        assert.equal(key("2001:db8::1"), key("2001:db8::ffff:1"))
        assert.not_equal(key("2001:db8::1"), key("2001:db8:0:1::1"))
        assert.not_equal(key("192.0.2.1"), key("192.0.2.2"))
        assert.is_string(clients.key(nil))
    end)
end)
