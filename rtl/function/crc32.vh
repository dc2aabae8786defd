// isochio: the CRC-32 at the end of a pattern packet (docs/payload.md) as a function; include inside a module.

// CRC-32 of IEEE 802.3 (reflected 0xEDB88320) over one more byte.
function [31:0] crc32_byte(input [31:0] crc, input [7:0] data);
  reg [7:0] c;
  begin
    c = crc[7:0] ^ data;
    crc32_byte = {8'h00, crc[31:8]} ^
        ({32{c[0]}} & 32'h77073096) ^ ({32{c[1]}} & 32'hEE0E612C) ^
        ({32{c[2]}} & 32'h076DC419) ^ ({32{c[3]}} & 32'h0EDB8832) ^
        ({32{c[4]}} & 32'h1DB71064) ^ ({32{c[5]}} & 32'h3B6E20C8) ^
        ({32{c[6]}} & 32'h76DC4190) ^ ({32{c[7]}} & 32'hEDB88320);
  end
endfunction
