// isochio: CRC5 and CRC16 of USB 2.0 section 8.3.5 as functions; include inside a module. Registers are kept bit-reversed
// (LSB first, as bits move on the wire), so the residuals 01100 and 1000000000001101 read 00110 and 0xB001 here.

// One byte of CRC16: x^16 + x^15 + x^2 + 1, i.e. 0xA001 reflected, without a loop.
function [15:0] crc16_byte;
  input [15:0] crc;
  input [7:0] data;
  reg [7:0] c;
  begin
    c = crc[7:0] ^ data;
    crc16_byte = {8'd0, crc[15:8]} ^ {1'b0, c, 7'd0} ^ {2'b0, c, 6'd0} ^ ((^c) ? 16'hC001 : 16'h0000);
  end
endfunction

// CRC5 register after the 16 bits of a token (11 bits and their CRC) from a preset of ones: x^5 + x^2 + 1, 0x14 reflected.
// Every bit of the register is a parity of token bits; a good token leaves the residual 00110.
function [4:0] crc5_token;
  input [15:0] token;
  integer n;
  reg [4:0] c;
  begin
    c = 5'h1F;
    for (n = 0; n < 16; n = n + 1) c = {1'b0, c[4:1]} ^ ((c[0] ^ token[n]) ? 5'h14 : 5'h00);
    crc5_token = c;
  end
endfunction
