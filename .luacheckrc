std = "ngx_lua"
max_line_length = 100
files["test/lua/specs"] = { std = "luajit+busted" }
