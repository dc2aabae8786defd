// isochio: endpoint 0: chapter 9 requests, and class and vendor requests by the rules of the device image (docs/device-image.md).
//
// Packets of 64 bytes at both speeds go through one buffer: an IN packet is filled completely before it is offered, an OUT packet is
// taken from it after its CRC16 was good; meanwhile the endpoint answers NAK. Everything but WAIT is a walk of bounded length
// (a rule or row costs 19 clocks, a byte 3), so that a new SETUP, which waits until then, is always served. A bus reset restarts
// with the image's header; after rst_i the header's sample rate and mode are written to their registers.
`default_nettype none

module control_endpoint #(
    parameter IN_ENGINES = 6,
    parameter OUT_ENGINES = 6
) (
    input  wire        clk_i,
    input  wire        rst_i,
    // Strobe: bus reset.
    input  wire        reset_i,
    input  wire        high_speed_i,
    input  wire [10:0] frame_number_i,
    // From the transaction engine.
    input  wire        setup_start_i,
    input  wire        setup_done_i,
    input  wire        out_start_i,
    input  wire        out_done_i,
    input  wire        valid_i,
    input  wire [ 7:0] data_i,
    output wire [ 1:0] out_kind_o,
    output wire        out_toggle_o,
    input  wire        in_start_i,
    input  wire        in_next_i,
    input  wire        in_done_i,
    output wire [ 1:0] in_kind_o,
    output wire        in_toggle_o,
    output wire [ 6:0] in_length_o,
    output wire [ 7:0] in_data_o,
    // Results.
    output wire [ 6:0] address_o,
    output wire        configured_o,
    output wire        high_speed_capable_o,
    output wire        remote_wakeup_enabled_o,
    output wire [ 2:0] test_mode_o,    // TEST_MODE's selector, 0 none; until rst_i
    output wire        test_packet_o,  // the buffer holds the test packet
    // Image.
    output wire        image_re_o,
    output wire [12:0] image_addr_o,
    input  wire [ 7:0] image_data_i,
    output wire        image_we_o,
    output wire [12:0] image_write_addr_o,
    output wire [ 7:0] image_write_data_o,
    // Endpoint table.
    output wire        table_clear_o,
    output wire [ 4:0] table_index_o,
    output wire        table_setup_o,
    output wire [22:0] table_attributes_o,
    output wire        table_remove_o,
    output wire        table_halt_o,
    output wire        table_unhalt_o,
    input  wire        table_valid_i,
    input  wire        table_halt_i,
    input  wire        table_isochronous_i,
    // Function port.
    output wire        setup_en_o,
    output wire        setup_in_o,
    output wire [ 3:0] setup_engine_o,
    output wire [71:0] setup_row_o,
    output wire [ 9:0] reg_addr_o,
    output wire [31:0] reg_wdata_o,
    output wire        reg_we_o,
    output wire        reg_re_o,
    input  wire [31:0] reg_rdata_i,
    output wire        log_pop_o,
    input  wire [95:0] log_data_i,
    input  wire        log_empty_i,
    output wire        quiet_o
);
  localparam [4:0] IN_LIMIT = IN_ENGINES[4:0], OUT_LIMIT = OUT_ENGINES[4:0];

  // Only WAIT waits for the bus. FETCH reads 16 bytes of the image into row_q and continues in after_q.
  localparam WAIT = 5'd0, START = 5'd1, HEADER = 5'd2, FETCH = 5'd3, READ_SETUP = 5'd4, DECODE = 5'd5, FIND_DESCRIPTOR = 5'd6,
             FIND_RULE = 5'd7, WALK = 5'd8, TAKE_SETUP = 5'd9, FILL = 5'd10, FILL_IMAGE = 5'd11, FILL_REGISTER = 5'd12,
             DRAIN = 5'd13, DRAIN_BYTE = 5'd14, FINISH_OUT = 5'd15, NEXT_ROW = 5'd16, ALTERNATES_KNOWN = 5'd17,
             ENDPOINT_REQUEST = 5'd18, LOG_GAP = 5'd19, RATE = 5'd20, MODE = 5'd21;
  localparam [2:0] TEST_PACKET = 3'd4;
  localparam [9:0] SAMPLE_RATE = 10'h00A, SAMPLE_MODE = 10'h00B;
  // What WAIT waits for. ENDED: the transfer is over; a repeated status stage is still acknowledged.
  localparam ENDED = 3'd0, DATA_IN = 3'd1, DATA_OUT = 3'd2, STATUS_IN = 3'd3, STATUS_OUT = 3'd4, STALLED = 3'd5;
  // Where a data stage's bytes come from or go to.
  localparam NOWHERE = 2'd0, IMAGE = 2'd1, REGISTERS = 2'd2, LOG = 2'd3;
  localparam [1:0] KIND_NAK = 2'd0, KIND_GO = 2'd1, KIND_STALL = 2'd2;

  reg [4:0] state_q, after_q;
  reg [2:0] stage_q;
  reg pending_q;
  reg cold_q;  // SAMPLE_RATE and SAMPLE_MODE do not have the image's values yet

  // Header of the image.
  reg [7:0] endpoint_rows_q, descriptor_rows_q, rule_rows_q, config_value_q;
  reg [2:0] attributes_q;
  reg [12:0] descriptors_at_q, rules_at_q;

  // Device state.
  reg [6:0] address_q, new_address_q;
  reg address_pending_q, configured_q, remote_wakeup_q;
  reg [2:0] test_mode_q, new_test_mode_q;
  reg [31:0] alternates_q;  // 4 bits an interface

  // The request.
  reg [7:0] request_type_q, request_q;
  reg [15:0] value_q, index_q, length_q;

  // Walking the image.
  reg [12:0] pointer_q;
  reg [4:0] fetched_q;
  reg [127:0] row_q;
  reg [7:0] rows_left_q;
  reg walk_interface_q, walk_remove_q;  // one interface only; taking away rather than setting up
  reg [2:0] interface_q;
  reg [3:0] alternate_q;

  // Data stage.
  reg [1:0] place_q;
  reg [15:0] want_q;    // bytes that the host still asks for or sends
  reg [15:0] left_q;    // bytes that the place still has
  reg [12:0] data_at_q; // in the image
  reg [9:0] register_q;
  reg [7:0] store_register_q;
  reg [95:0] word_q;
  reg [3:0] word_left_q;
  reg [1:0] wait_q;
  reg [2:0] stored_q;
  reg in_toggle_q, out_toggle_q;
  reg [6:0] filled_q, drained_q, packet_q;

  // Buffer: 64 bytes of a data stage, then 8 of a SETUP.
  reg [7:0] buffer[0:127];
  reg [6:0] write_at_q, read_at_q;
  reg [7:0] read_q;
  reg strobe_read_q;

  reg table_setup_q, table_remove_q, table_halt_q, table_unhalt_q, table_clear_q, setup_en_q, reg_we_q, reg_re_q, log_pop_q, image_we_q;
  reg [4:0] table_index_q;
  reg [12:0] image_write_addr_q;
  reg [7:0] image_write_data_q;

  wire image_good = row_q[31:0] == 32'h314F5349;  // "ISO1"; without it every request is stalled

  // Rows.
  wire [7:0] row0 = row_q[7:0];
  wire [7:0] row1 = row_q[15:8];
  wire [7:0] row2 = row_q[23:16];
  wire [7:0] row3 = row_q[31:24];
  wire [15:0] row45 = row_q[47:32];
  wire [15:0] row67 = row_q[63:48];
  wire row_fits = row1[high_speed_i ? 3 : 2] && row0[3:0] != 4'd0 && ({1'b0, row1[7:4]} < (row0[7] ? IN_LIMIT : OUT_LIMIT));
  wire descriptor_fits = row0 == value_q[15:8] && row1 == value_q[7:0] && row2[high_speed_i ? 1 : 0];
  wire rule_fits = row0 == request_type_q && row1 == request_q && ((value_q ^ row_q[31:16]) & row45) == 16'd0 &&
                   ((index_q ^ row67) & row_q[79:64]) == 16'd0;

  // A byte of the buffer for DRAIN and for the transmitter, one clock after its address.
  wire fill_write = state_q == FILL && filled_q != 7'd64 && want_q != 16'd0 && word_left_q != 4'd0;
  wire buffer_we = valid_i || fill_write;
  wire read_next = in_start_i || in_next_i || strobe_read_q;

  always @(posedge clk_i) begin
    if (buffer_we) buffer[valid_i ? write_at_q : filled_q] <= valid_i ? data_i : word_q[7:0];
    if (read_next) read_q <= buffer[in_start_i ? 7'd0 : in_next_i ? read_at_q + 7'd1 : read_at_q];
  end

  task stall;
    begin
      stage_q <= STALLED;
      state_q <= WAIT;
    end
  endtask

  // No data stage, or it is over: the status stage is an IN of zero length.
  task acknowledge;
    begin
      stage_q <= STATUS_IN;
      filled_q <= 7'd0;
      in_toggle_q <= 1'b1;
      state_q <= WAIT;
    end
  endtask

  // Answer with up to 2 bytes of our own.
  task answer;
    input [15:0] data;
    input [1:0] bytes;
    begin
      place_q <= NOWHERE;
      word_q[15:0] <= data;
      word_left_q <= {2'd0, bytes};
      left_q <= 16'd0;
      begin_in;
    end
  endtask

  task begin_in;
    begin
      stage_q <= DATA_IN;
      want_q <= length_q;
      filled_q <= 7'd0;
      state_q <= FILL;
      // Without a data stage only the status stage is left.
      if (length_q == 16'd0) acknowledge;
    end
  endtask

  task begin_out;
    begin
      stage_q <= DATA_OUT;
      want_q <= length_q;
      stored_q <= 3'd0;
      word_q[31:0] <= 32'd0;
      word_left_q <= 4'd0;
      state_q <= WAIT;
      if (length_q == 16'd0) acknowledge;
    end
  endtask

  task fetch;
    input [12:0] at;
    input [4:0] after;
    begin
      pointer_q <= at;
      fetched_q <= 5'd0;
      after_q <= after;
      state_q <= FETCH;
    end
  endtask

  task try_rules;
    begin
      rows_left_q <= rule_rows_q;
      if (rule_rows_q == 8'd0) stall;
      else fetch(rules_at_q, FIND_RULE);
    end
  endtask

  task begin_walk;
    input only_interface;
    input remove;
    begin
      walk_interface_q <= only_interface;
      walk_remove_q <= remove;
      rows_left_q <= endpoint_rows_q;
      if (endpoint_rows_q == 8'd0) acknowledge;
      else fetch(13'd32, WALK);
    end
  endtask

  wire [3:0] current_alternate = alternates_q[{index_q[2:0], 2'd0}+:4];

  // Chapter 9 [9.4]; everything else goes to the rules.
  task decode;
    casez ({request_type_q, request_q})
      {8'h80, 8'd0}: if (value_q == 16'd0) answer({14'd0, remote_wakeup_q, attributes_q[0]}, 2'd2); else stall;
      {8'h00, 8'd1}, {8'h00, 8'd3}:
      if (value_q == 16'd1 && attributes_q[1]) begin
        remote_wakeup_q <= request_q == 8'd3;
        acknowledge;
      end else if (request_q == 8'd3 && value_q == 16'd2 && high_speed_i && index_q[7:0] == 8'd0 && index_q[15:8] != 8'd0 &&
                   index_q[15:8] <= {5'd0, TEST_PACKET}) begin
        // TEST_MODE: its selectors for a device's port; begins with the status stage's end [7.1.20, 9.4.9].
        new_test_mode_q <= index_q[10:8];
        acknowledge;
      end else stall;
      {8'h00, 8'd5}:
      if (value_q < 16'd128 && !configured_q) begin
        new_address_q <= value_q[6:0];
        address_pending_q <= 1'b1;
        acknowledge;
      end else stall;
      {8'h80, 8'd6}: begin
        rows_left_q <= descriptor_rows_q;
        if (descriptor_rows_q == 8'd0) stall;
        else fetch(descriptors_at_q, FIND_DESCRIPTOR);
      end
      {8'h80, 8'd8}: answer({8'd0, configured_q ? config_value_q : 8'd0}, 2'd1);
      {8'h00, 8'd9}:
      if (value_q == 16'd0 || value_q == {8'd0, config_value_q}) begin
        configured_q <= value_q != 16'd0;
        table_clear_q <= 1'b1;
        alternates_q <= 32'd0;
        alternate_q <= 4'd0;
        if (value_q == 16'd0) acknowledge;
        else begin_walk(1'b0, 1'b0);
      end else stall;
      // Requests to an interface: first see how many alternate settings it has.
      {8'h81, 8'd0}, {8'h81, 8'd10}, {8'h01, 8'd11}:
      if (configured_q && index_q < 16'd8) fetch(13'd16, ALTERNATES_KNOWN); else stall;
      {8'h82, 8'd0}, {8'h02, 8'd1}, {8'h02, 8'd3}, {8'h82, 8'd12}: begin
        table_index_q <= {index_q[7], index_q[3:0]};
        state_q <= ENDPOINT_REQUEST;
      end
      {8'h00, 8'd7}, {8'h01, 8'd1}, {8'h01, 8'd3}: stall;
      default: try_rules;
    endcase
  endtask

  task endpoint_request;
    if (index_q[15:8] != 8'd0 || index_q[6:4] != 3'd0) stall;
    else if (index_q[3:0] == 4'd0) begin
      // Endpoint 0 is never halted for long: it takes no SET_FEATURE.
      if (request_q == 8'd0) answer(16'd0, 2'd2);
      else if (request_q == 8'd1 && value_q == 16'd0) acknowledge;
      else stall;
    end else if (!table_valid_i) stall;
    else
      case (request_q)
        8'd0: answer({15'd0, table_halt_i}, 2'd2);
        8'd12: if (table_isochronous_i) answer({5'd0, frame_number_i}, 2'd2); else stall;
        default:
        if (value_q != 16'd0) stall;
        else if (table_isochronous_i) begin
          // There is no halt to set; clearing it changes nothing.
          if (request_q == 8'd1) acknowledge;
          else stall;
        end else begin
          table_halt_q <= request_q == 8'd3;
          table_unhalt_q <= request_q == 8'd1;
          acknowledge;
        end
      endcase
  endtask

  // The header's tables of alternate settings are in row_q; 0 settings: no such interface.
  wire [7:0] settings = high_speed_i ? row_q[{1'b1, index_q[2:0], 3'd0}+:8] : row_q[{1'b0, index_q[2:0], 3'd0}+:8];
  task alternates_known;
    if (settings == 8'd0) stall;
    else if (request_q == 8'd0) answer(16'd0, 2'd2);
    else if (request_q == 8'd10) answer({12'd0, current_alternate}, 2'd1);
    else if (value_q >= {8'd0, settings} || value_q > 16'd15) stall;
    else begin
      interface_q <= index_q[2:0];
      alternate_q <= value_q[3:0];
      alternates_q[{index_q[2:0], 2'd0}+:4] <= value_q[3:0];
      begin_walk(1'b1, 1'b1);
    end
  endtask

  // One endpoint row: SET_INTERFACE takes all endpoints of the interface away in a first walk.
  task walk_row;
    begin
      table_index_q <= {row0[7], row0[3:0]};
      if (row_fits && !(walk_interface_q && row2 != {5'd0, interface_q})) begin
        if (walk_remove_q) table_remove_q <= 1'b1;
        else if (row3 == {4'd0, alternate_q}) begin
          table_setup_q <= 1'b1;
          setup_en_q <= 1'b1;
        end
      end
      state_q <= NEXT_ROW;
    end
  endtask

  task next_row;
    begin
      rows_left_q <= rows_left_q - 8'd1;
      // Exactly 16 bytes were read from the row's start.
      if (rows_left_q != 8'd1) fetch(pointer_q - 13'd16 + 13'd12, WALK);
      else if (walk_remove_q) begin_walk(walk_interface_q, 1'b0);
      else acknowledge;
    end
  endtask

  task find_descriptor;
    if (descriptor_fits) begin
      place_q <= IMAGE;
      data_at_q <= row_q[44:32];
      left_q <= row67;
      word_left_q <= 4'd0;
      begin_in;
    end else begin
      rows_left_q <= rows_left_q - 8'd1;
      if (rows_left_q == 8'd1) stall;
      else fetch(pointer_q - 13'd16 + 13'd8, FIND_DESCRIPTOR);
    end
  endtask

  task find_rule;
    if (!rule_fits) begin
      rows_left_q <= rows_left_q - 8'd1;
      if (rows_left_q == 8'd1) stall;
      else fetch(pointer_q, FIND_RULE);
    end else begin
      data_at_q <= row_q[108:96];
      left_q <= row_q[127:112];
      store_register_q <= row_q[95:88];
      register_q <= index_q[9:0];
      word_left_q <= 4'd0;
      case (row_q[87:80])
        8'd0: begin
          place_q <= IMAGE;
          if (request_type_q[7]) begin_in;
          else stall;
        end
        8'd1: begin
          place_q <= IMAGE;
          if (request_type_q[7] || length_q > row_q[127:112]) stall;
          else begin_out;
        end
        8'd2: begin
          place_q <= REGISTERS;
          if (request_type_q[7]) begin_in;
          else if (length_q[1:0] != 2'd0) stall;
          else begin_out;
        end
        8'd3: begin
          place_q <= LOG;
          if (request_type_q[7]) begin_in;
          else stall;
        end
        8'd5: begin
          place_q <= NOWHERE;
          left_q  <= 16'd0;
          if (request_type_q[7]) begin_in;
          else begin_out;
        end
        default: stall;
      endcase
    end
  endtask

  // The test packet's payload [7.1.20].
  function [7:0] test_byte;
    input [5:0] at;
    if (at < 6'd9) test_byte = 8'h00;
    else if (at < 6'd17) test_byte = 8'hAA;
    else if (at < 6'd25) test_byte = 8'hEE;
    else
      case (at)
        6'd25: test_byte = 8'hFE;
        6'd37: test_byte = 8'h7F;
        6'd38, 6'd46: test_byte = 8'hBF;
        6'd39, 6'd47: test_byte = 8'hDF;
        6'd40, 6'd48: test_byte = 8'hEF;
        6'd41, 6'd49: test_byte = 8'hF7;
        6'd42, 6'd50: test_byte = 8'hFB;
        6'd43, 6'd51: test_byte = 8'hFD;
        6'd44: test_byte = 8'hFC;
        6'd45, 6'd52: test_byte = 8'h7E;
        default: test_byte = 8'hFF;
      endcase
  endfunction

  // Fills the IN packet: a byte from word_q, or the next word.
  task fill;
    if (filled_q == 7'd64 || want_q == 16'd0) state_q <= WAIT;
    else if (word_left_q != 4'd0) begin
      filled_q <= filled_q + 7'd1;
      want_q <= want_q - 16'd1;
      word_q <= {8'd0, word_q[95:8]};
      word_left_q <= word_left_q - 4'd1;
    end else
      case (place_q)
        IMAGE:
        if (left_q == 16'd0) state_q <= WAIT;
        else begin
          left_q <= left_q - 16'd1;
          wait_q <= 2'd0;
          state_q <= FILL_IMAGE;
        end
        REGISTERS: begin
          wait_q <= 2'd0;
          reg_re_q <= 1'b1;
          state_q <= FILL_REGISTER;
        end
        LOG:
        if (log_empty_i || want_q < 16'd12) state_q <= WAIT;
        else begin
          word_q <= log_data_i;
          word_left_q <= 4'd12;
          log_pop_q <= 1'b1;
          state_q <= LOG_GAP;
        end
        default:
        if (test_mode_q == TEST_PACKET) begin
          word_q[7:0] <= test_byte(filled_q[5:0]);
          word_left_q <= 4'd1;
        end else state_q <= WAIT;
      endcase
  endtask

  // The IN packet was acknowledged.
  task in_acknowledged;
    begin
      in_toggle_q <= !in_toggle_q;
      if (stage_q == STATUS_IN) begin
        stage_q <= ENDED;
        address_pending_q <= 1'b0;
        if (address_pending_q) address_q <= new_address_q;
        test_mode_q <= new_test_mode_q;
        if (new_test_mode_q == TEST_PACKET) begin
          place_q <= NOWHERE;
          word_left_q <= 4'd0;
          want_q <= 16'd53;
          state_q <= FILL;  // filled_q is 0
        end
      end else if (filled_q != 7'd64 || want_q == 16'd0) stage_q <= STATUS_OUT;
      else begin
        filled_q <= 7'd0;
        state_q <= FILL;
      end
    end
  endtask

  // An OUT packet was accepted: write_at_q bytes are in the buffer.
  task out_accepted;
    if (stage_q == DATA_OUT) begin
      out_toggle_q <= !out_toggle_q;
      drained_q <= 7'd0;
      packet_q <= write_at_q;  // a SETUP may overwrite it
      state_q <= DRAIN;
    end else stage_q <= ENDED;
  endtask

  // A byte of the OUT packet is in read_q.
  task drain_byte;
    begin
      drained_q <= drained_q + 7'd1;
      want_q <= want_q - 16'd1;
      state_q <= DRAIN;
      if (stored_q[2] == 1'b0) begin
        word_q[{2'd0, stored_q[1:0], 3'd0}+:8] <= read_q;
        stored_q <= stored_q + 3'd1;
      end
      if (place_q == IMAGE) begin
        image_we_q <= 1'b1;
        image_write_addr_q <= data_at_q;
        image_write_data_q <= read_q;
        data_at_q <= data_at_q + 13'd1;
      end
      if (place_q == REGISTERS && stored_q == 3'd3) begin
        reg_we_q <= 1'b1;
        stored_q <= 3'd0;
      end
    end
  endtask

  always @(posedge clk_i) begin
    // Strobes; only walks and writes raise them.
    if (!quiet_o) begin
      table_setup_q <= 1'b0;
      table_remove_q <= 1'b0;
      table_halt_q <= 1'b0;
      table_unhalt_q <= 1'b0;
      table_clear_q <= 1'b0;
      setup_en_q <= 1'b0;
      reg_we_q <= 1'b0;
      reg_re_q <= 1'b0;
      log_pop_q <= 1'b0;
      image_we_q <= 1'b0;
      strobe_read_q <= 1'b0;
      if (reg_we_q) register_q <= register_q + 10'd1;
    end
    if (setup_start_i) begin
      pending_q <= 1'b0;
      write_at_q <= 7'd64;
    end
    if (out_start_i) write_at_q <= 7'd0;
    if (valid_i) write_at_q <= write_at_q + 7'd1;
    if (setup_done_i) pending_q <= 1'b1;
    if (in_start_i) read_at_q <= 7'd0;
    else if (in_next_i) read_at_q <= read_at_q + 7'd1;

    if (state_q != WAIT || pending_q || in_done_i || out_done_i)
      case (state_q)
        WAIT:
        if (pending_q) begin
          pending_q <= 1'b0;
          address_pending_q <= 1'b0;
          new_test_mode_q <= 3'd0;
          read_at_q <= 7'd64;
          strobe_read_q <= 1'b1;
          fetched_q <= 5'd0;
          in_toggle_q <= 1'b1;
          out_toggle_q <= 1'b1;
          state_q <= READ_SETUP;
        end else if (in_done_i) in_acknowledged;
        else out_accepted;

        START: fetch(13'd0, HEADER);
        HEADER: begin
          endpoint_rows_q <= image_good ? row_q[55:48] : 8'd0;
          descriptor_rows_q <= image_good ? row_q[63:56] : 8'd0;
          rule_rows_q <= image_good ? row_q[71:64] : 8'd0;
          config_value_q <= row_q[79:72];
          attributes_q <= image_good ? row_q[82:80] : 3'd0;
          descriptors_at_q <= row_q[108:96];
          rules_at_q <= row_q[124:112];
          drained_q <= row_q[94:88];
          word_q[31:0] <= 32'd0;
          state_q <= !cold_q || !image_good ? WAIT : row_q[94:88] != 7'd0 ? RATE : MODE;
        end
        // So many times 8000 or 11025.
        RATE:
        if (drained_q == 7'd0) begin
          register_q <= SAMPLE_RATE;
          reg_we_q <= 1'b1;
          state_q <= MODE;
        end else begin
          drained_q <= drained_q - 7'd1;
          word_q[31:0] <= word_q[31:0] + (row_q[95] ? 32'd11025 : 32'd8000);
        end

        MODE: begin
          cold_q <= 1'b0;
          register_q <= SAMPLE_MODE;
          word_q[31:0] <= {31'd0, row_q[83]};
          reg_we_q <= 1'b1;
          state_q <= WAIT;
        end

        // The address of byte n is out at fetched_q == n, its data comes one clock later.
        FETCH: begin
          if (fetched_q != 5'd0) row_q <= {image_data_i, row_q[127:8]};
          if (fetched_q != 5'd16) pointer_q <= pointer_q + 13'd1;
          else state_q <= after_q;
          fetched_q <= fetched_q + 5'd1;
        end

        // The eight bytes of the SETUP, through row_q's upper half.
        READ_SETUP: begin
          strobe_read_q <= 1'b1;
          read_at_q <= read_at_q + 7'd1;
          if (fetched_q != 5'd0) row_q <= {read_q, row_q[127:8]};
          if (fetched_q == 5'd8) state_q <= TAKE_SETUP;
          else fetched_q <= fetched_q + 5'd1;
        end
        TAKE_SETUP: begin
          request_type_q <= row_q[71:64];
          request_q <= row_q[79:72];
          value_q <= row_q[95:80];
          index_q <= row_q[111:96];
          length_q <= row_q[127:112];
          state_q <= DECODE;
        end

        DECODE: decode;
        FIND_DESCRIPTOR: find_descriptor;
        FIND_RULE: find_rule;
        ALTERNATES_KNOWN: alternates_known;
        ENDPOINT_REQUEST: endpoint_request;
        WALK: walk_row;
        NEXT_ROW: next_row;

        FILL: fill;
        FILL_IMAGE: begin
          wait_q <= 2'd1;
          if (wait_q == 2'd1) begin
            word_q[7:0] <= image_data_i;
            word_left_q <= 4'd1;
            data_at_q <= data_at_q + 13'd1;
            state_q <= FILL;
          end
        end
        FILL_REGISTER: begin
          wait_q <= wait_q + 2'd1;
          if (wait_q == 2'd2) begin
            word_q[31:0] <= reg_rdata_i;
            word_left_q <= 4'd4;
            register_q <= register_q + 10'd1;
            state_q <= FILL;
          end
        end
        LOG_GAP: state_q <= FILL;

        DRAIN:
        if (drained_q == packet_q || want_q == 16'd0) state_q <= FINISH_OUT;
        else begin
          read_at_q <= drained_q;
          strobe_read_q <= 1'b1;
          wait_q <= 2'd0;
          state_q <= DRAIN_BYTE;
        end
        DRAIN_BYTE: begin
          wait_q <= 2'd1;
          if (wait_q == 2'd1) drain_byte;
        end

        // All that was announced has come, or less than a full packet.
        FINISH_OUT:
        if (want_q == 16'd0 || !packet_q[6]) begin
          if (place_q == IMAGE && store_register_q != 8'd0) begin
            register_q <= {2'd0, store_register_q};
            reg_we_q <= 1'b1;
          end
          acknowledge;
        end else state_q <= WAIT;

        default: state_q <= WAIT;
      endcase

    if (reset_i || rst_i) begin
      state_q <= START;
      stage_q <= ENDED;
      pending_q <= 1'b0;
      address_q <= 7'd0;
      address_pending_q <= 1'b0;
      configured_q <= 1'b0;
      remote_wakeup_q <= 1'b0;
      alternates_q <= 32'd0;
      table_clear_q <= 1'b1;
      in_toggle_q <= 1'b1;
      out_toggle_q <= 1'b1;
      filled_q <= 7'd0;
    end
    if (rst_i) begin
      cold_q <= 1'b1;
      test_mode_q <= 3'd0;
      new_test_mode_q <= 3'd0;
      attributes_q <= 3'd0;
      table_setup_q <= 1'b0;
      table_remove_q <= 1'b0;
      table_halt_q <= 1'b0;
      table_unhalt_q <= 1'b0;
      setup_en_q <= 1'b0;
      reg_we_q <= 1'b0;
      reg_re_q <= 1'b0;
      log_pop_q <= 1'b0;
      image_we_q <= 1'b0;
      strobe_read_q <= 1'b0;
    end
  end

  wire ready = state_q == WAIT && !pending_q;
  assign in_kind_o = !ready ? KIND_NAK : (stage_q == DATA_IN || stage_q == STATUS_IN) ? KIND_GO : KIND_STALL;
  assign out_kind_o = !ready ? KIND_NAK : (stage_q == STATUS_IN || stage_q == STALLED) ? KIND_STALL : KIND_GO;
  assign in_toggle_o = in_toggle_q;
  assign out_toggle_o = stage_q == DATA_OUT ? out_toggle_q : 1'b1;
  assign in_length_o = filled_q;
  assign in_data_o = read_q;
  assign address_o = address_q;
  assign configured_o = configured_q;
  assign high_speed_capable_o = attributes_q[2];
  assign remote_wakeup_enabled_o = remote_wakeup_q;
  assign test_mode_o = test_mode_q;
  assign test_packet_o = test_mode_q == TEST_PACKET && ready;
  assign image_re_o = state_q == FETCH || state_q == FILL_IMAGE;
  assign image_addr_o = state_q == FETCH ? pointer_q : data_at_q;
  assign image_we_o = image_we_q;
  assign image_write_addr_o = image_write_addr_q;
  assign image_write_data_o = image_write_data_q;
  assign table_clear_o = table_clear_q;
  assign table_index_o = table_index_q;
  assign table_setup_o = table_setup_q;
  assign table_attributes_o = {row1[7:4], row_q[51:48], row_q[44:43], row_q[42:32], row1[1:0]};
  assign table_remove_o = table_remove_q;
  assign table_halt_o = table_halt_q;
  assign table_unhalt_o = table_unhalt_q;
  assign setup_en_o = setup_en_q;
  assign setup_in_o = row0[7];
  assign setup_engine_o = row1[7:4];
  assign setup_row_o = {row_q[95:32], row1};
  assign reg_addr_o = register_q;
  assign reg_wdata_o = word_q[31:0];
  assign reg_we_o = reg_we_q;
  assign reg_re_o = reg_re_q;
  assign log_pop_o = log_pop_q;
  // The strobes of the last walk's step are cleared at the clock after it.
  assign quiet_o = ready && !table_halt_q && !table_unhalt_q && !table_clear_q && !reg_we_q && !strobe_read_q && !image_we_q &&
                   !table_setup_q && !table_remove_q && !log_pop_q && !reg_re_q && !setup_en_q;
endmodule

`default_nettype wire
