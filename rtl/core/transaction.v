// isochio: one transaction at a time: token, data, handshake (USB 2.0 sections 8.4 to 8.6, 5.9.2).
//
// A packet's end (end_i) decides what follows. From there a handshake leaves (tx_start_o) 2 clocks after a token and 3 after
// data, a data packet 5, or 3 if its interval is open; full speed waits for TURN_FS clocks in all. With packet_rx and packet_tx that is 2 more
// from rx_active low to tx_valid; after a bulk OUT packet it is 8 at high speed (the room for a NYET is asked after the commit).
// Isochronous endpoints: no handshake, no retry, no toggle. IN: the first token of a service interval opens it and the PIDs count
// down from the transactions needed; a further token gets a zero-length DATA0. OUT: an interval is handed on only when its PID
// sequence is complete and every packet was good; a bad packet discards all of it, and so does the (micro)frame that ends its service
// interval before the sequence is complete. Interrupt endpoints are treated as bulk.
// Faults (docs/registers.md): a packet for which fault_plan has chosen one is spoiled in GO, which takes a clock more.
// Whatever arrives, every state ends with the end of a packet, tx_done_i or a timeout.
`default_nettype none

module transaction (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire [31:0] stamp_i,
    // Low: bus reset, suspended.
    input  wire        enable_i,
    input  wire        high_speed_i,
    input  wire [ 6:0] address_i,
    // 3 Test_SE0_NAK: every IN gets a NAK; another test: no token is answered [7.1.20].
    input  wire [ 2:0] test_mode_i,
    input  wire        test_packet_i,      // send the control endpoint's packet again and again
    input  wire [23:0] count_i,
    // Strobe: a (micro)frame begins; count_i is the new one.
    input  wire        tick_i,
    // packet_rx; active_i: a packet is arriving, one clock before start_i and end_i say so
    input  wire        active_i,
    input  wire        start_i,
    input  wire        end_i,
    input  wire        pid_valid_i,
    input  wire [ 7:0] pid_i,
    input  wire        pid_good_i,
    input  wire [10:0] token_i,
    input  wire        crc5_good_i,
    input  wire [11:0] length_i,
    input  wire        crc16_good_i,
    input  wire        error_i,
    input  wire        byte_valid_i,
    // packet_tx
    output wire        tx_start_o,
    output wire [ 3:0] tx_pid_o,
    output wire [10:0] tx_length_o,
    input  wire        tx_done_i,
    // Bits that are to be sent wrong: of the PID's check field, of the CRC16, and of the first payload byte under a CRC16 that fits.
    output wire [ 3:0] tx_pid_mask_o,
    output wire        tx_crc_bad_o,
    output wire [ 7:0] tx_data_mask_o,
    // fault_plan: the strobe asks for this endpoint's fault, which is there 2 clocks later; the packet that it concerns begins.
    output wire        fault_fetch_o,
    output wire        fault_in_o,
    output wire [ 3:0] fault_engine_o,
    output wire        fault_taken_o,
    input  wire [ 3:0] fault_kind_i,
    input  wire [11:0] fault_argument_i,
    // frame_timer: strobe, a good SOF ended.
    output wire        sof_o,
    // endpoint_table
    output wire        lookup_o,
    output wire [ 4:0] lookup_index_o,
    input  wire        valid_i,
    input  wire        toggle_i,
    input  wire        halt_i,
    input  wire        fresh_i,
    input  wire [22:0] attributes_i,
    input  wire [38:0] state_i,
    output wire        flip_o,
    output wire        state_we_o,
    output wire [38:0] state_o,
    // Control endpoint. Kinds: 0 NAK, 1 data or accept, 2 STALL.
    output wire        control_o,         // the transaction is one of endpoint 0
    output wire        ctl_setup_start_o, // a SETUP's data begins; bytes follow
    output wire        ctl_setup_done_o,  // it was good
    output wire        ctl_out_start_o,
    output wire        ctl_out_done_o,
    output wire        ctl_valid_o,
    input  wire [ 1:0] ctl_out_kind_i,
    input  wire        ctl_out_toggle_i,
    output wire        ctl_in_start_o,
    output wire        ctl_in_done_o,     // acknowledged
    input  wire [ 1:0] ctl_in_kind_i,
    input  wire        ctl_in_toggle_i,
    input  wire [ 6:0] ctl_in_length_i,
    // Function port (docs/rtl.md).
    output wire [ 3:0] in_engine_o,
    output wire        in_open_o,
    input  wire [11:0] in_bytes_i,
    input  wire        in_has_i,
    output wire        in_start_o,
    output wire [10:0] in_length_o,
    output wire        in_done_o,
    output wire        in_ok_o,
    output wire [ 3:0] out_engine_o,
    input  wire        out_room_i,
    input  wire        out_overflow_i,
    output wire        out_start_o,
    output wire        out_valid_o,
    output wire        out_end_o,
    output wire        out_commit_o,
    output wire        out_discard_o,
    output wire        event_o,
    output wire [ 3:0] event_kind_o,
    output wire [ 4:0] event_endpoint_o,
    output wire [ 3:0] event_engine_o,
    output wire [15:0] event_length_o,
    output wire [ 7:0] event_pid_o,
    output wire [ 3:0] event_status_o,
    output wire        deadline_valid_o,
    output wire [31:0] deadline_o,
    output wire        quiet_o
);
  localparam PID_OUT = 4'h1, PID_IN = 4'h9, PID_SOF = 4'h5, PID_SETUP = 4'hD, PID_PING = 4'h4;
  localparam PID_DATA0 = 4'h3, PID_DATA1 = 4'hB, PID_DATA2 = 4'h7, PID_MDATA = 4'hF;
  localparam PID_ACK = 4'h2, PID_NAK = 4'hA, PID_STALL = 4'hE, PID_NYET = 4'h6;

  localparam EV_TOKEN = 4'd2, EV_DATA_IN = 4'd3, EV_DATA_OUT = 4'd4, EV_HANDSHAKE = 4'd5, EV_ERROR = 4'd6, EV_OTHER = 4'd8;
  localparam BAD_CRC5 = 4'd1, BAD_CRC16 = 4'd2, BAD_PID = 4'd3, BAD_RX = 4'd4, BAD_SHORT = 4'd5, BAD_LONG = 4'd6,
             BAD_TIMEOUT = 4'd7, BAD_SEQUENCE = 4'd8, BAD_TOGGLE = 4'd9, BAD_OVERFLOW = 4'd10, BAD_ON_PURPOSE = 4'd11;
  localparam SENT_SPOILED = 4'd3;

  // Faults; the first four concern handshakes too.
  localparam F_NONE = 4'd0, F_SILENT = 4'd1, F_DELAY = 4'd2, F_PID_CHECK = 4'd3, F_PID = 4'd4, F_CRC = 4'd5, F_SHORT = 4'd6, F_LONG = 4'd7,
             F_EMPTY = 4'd8, F_PAYLOAD = 4'd9, F_FEEDBACK = 4'd10;

  localparam [2:0] TEST_SE0_NAK = 3'd3;

  // Clocks from the end of a packet to the first one of the answer: at full speed with transceiver delays of about 12 clocks
  // within 2 and 6.5 bit times [7.1.18].
  localparam [31:0] TURN_FS = 32'd12;
  // Clocks after which a data packet or handshake of the host counts as lost: 816 and 18 bit times and, for full speed, the bits
  // that still move when tx_valid falls; with the transceiver's latency.
  localparam [31:0] TIMEOUT_HS = 32'd150, TIMEOUT_FS = 32'd220;

  // States that wait for something outside have bit 3 clear.
  localparam IDLE = 4'd0, SENDING = 4'd1, WAIT_ACK = 4'd2, WAIT_DATA = 4'd3;
  localparam DECIDE = 4'd8, OPEN = 4'd9, OFFER = 4'd10, START = 4'd11, GO = 4'd12, JUDGE = 4'd13, ACT = 4'd14, STALE = 4'd15;

  reg [3:0] state_q;
  // The current token.
  reg [3:0] token_pid_q;
  reg mine_q;
  reg [4:0] index_q;  // {IN, endpoint number}
  reg [31:0] ended_q, deadline_q;
  reg deadline_valid_q;
  reg [3:0] in_engine_q, out_engine_q;
  // What is or was sent.
  reg [ 3:0] tx_pid_q;
  reg [10:0] tx_length_q;
  reg [ 3:0] sent_status_q;
  reg        extra_q;
  // A data packet, whatever PID a fault puts on it; spoiled by a fault; so much that it is no valid packet of its kind, or none at all.
  reg sends_data_q, spoiled_q, invalid_q, silent_q;
  reg [11:0] delay_q;
  reg [ 3:0] pid_mask_q;
  reg [ 7:0] data_mask_q;
  reg        crc_bad_q;
  // The OUT data packet.
  reg accept_q, sequence_good_q, final_q, room_q;
  reg [1:0] ctl_kind_q;
  reg [10:0] left_q;
  reg [ 3:0] judged_q;
  reg [ 1:0] position_q;
  reg interval_done_q, interval_bad_q;
  reg [1:0] room_wait_q;
  // OUT endpoints whose interval lacks packets, and which of them is looked at next since a (micro)frame began; bit 4: none.
  reg [15:0] unfinished_q;
  reg [4:0] sweep_q;

  reg [38:0] state_word_q;

  // Strobes of one clock, cleared together.
  localparam S_IN_OPEN = 0, S_IN_START = 1, S_IN_DONE = 2, S_OUT_START = 3, S_OUT_END = 4, S_OUT_COMMIT = 5, S_OUT_DISCARD = 6,
             S_EVENT = 7, S_FLIP = 8, S_STATE_WE = 9, S_SETUP_START = 10, S_SETUP_DONE = 11, S_CTL_OUT_START = 12, S_CTL_OUT_DONE = 13,
             S_CTL_IN_START = 14, S_CTL_IN_DONE = 15, S_FAULT_FETCH = 16, S_FAULT_TAKEN = 17, S_COUNT = 18;
  reg [S_COUNT-1:0] strobe_q;
  reg in_ok_q;

  reg [3:0] event_kind_q, event_engine_q, event_status_q;
  reg [ 4:0] event_endpoint_q;
  reg [15:0] event_length_q;
  reg [ 7:0] event_pid_q;

  // Attributes of the endpoint looked up.
  wire [ 1:0] type_w = attributes_i[1:0];
  wire [10:0] max_packet = attributes_i[12:2];
  wire [ 1:0] additional = attributes_i[14:13];
  wire [ 3:0] interval_log2 = attributes_i[18:15];
  wire [ 3:0] engine = attributes_i[22:19];
  wire isochronous = type_w == 2'd1;
  wire control = index_q[3:0] == 4'd0;

  wire listening = !state_q[3] && state_q != SENDING;
  wire timed_out = deadline_valid_q && (stamp_i - deadline_q) < 32'h80000000;
  wire sweeping = !sweep_q[4] && state_q == IDLE && !active_i && !end_i;
  wire is_token = pid_i[1:0] == 2'b01 || pid_i[3:0] == PID_PING;
  wire is_data = pid_i[1:0] == 2'b11;
  wire token_good = pid_good_i && !error_i && crc5_good_i;
  wire sof_w = end_i && enable_i && listening && pid_i[3:0] == PID_SOF && token_good;
  // Bytes of a data packet that no token announced are nobody's, whatever the packet before was.
  wire taking = byte_valid_i && accept_q && state_q == WAIT_DATA && left_q != 11'd0;
  wire turned = high_speed_i || (stamp_i - ended_q) >= TURN_FS;

  task emit;
    input [3:0] kind;
    input [15:0] length;
    input [7:0] pid;
    input [3:0] status;
    begin
      strobe_q[S_EVENT] <= 1'b1;
      event_kind_q <= kind;
      event_endpoint_q <= index_q;
      event_engine_q <= index_q[4] ? in_engine_q : out_engine_q;
      event_length_q <= length;
      event_pid_q <= pid;
      event_status_q <= status;
    end
  endtask

  // An error that no endpoint is known to be concerned by.
  task emit_stray;
    input [3:0] status;
    begin
      emit(EV_ERROR, {4'd0, length_i}, length_i == 12'd0 ? 8'd0 : pid_i, status);
      event_endpoint_q <= 5'd0;
    end
  endtask

  // The deadline itself is set at every clock at which this may be called: one adder.
  task wait_for_host;
    deadline_valid_q <= 1'b1;
  endtask

  task answer;
    input [3:0] pid;
    begin
      tx_pid_q <= pid;
      tx_length_q <= 11'd0;
      sends_data_q <= 1'b0;
      state_q <= GO;
    end
  endtask

  task send_data;
    input [3:0] pid;
    input [10:0] length;
    begin
      tx_pid_q <= pid;
      tx_length_q <= length;
      sends_data_q <= 1'b1;
      state_q <= START;
    end
  endtask

  // One transaction of an isochronous IN interval: `bytes` are still to go in `transactions`.
  task send_isochronous;
    input [11:0] bytes;
    input [1:0] transactions;
    input [23:0] opened;
    begin
      strobe_q[S_IN_START] <= 1'b1;
      strobe_q[S_STATE_WE] <= 1'b1;
      send_data(!high_speed_i || transactions == 2'd1 ? PID_DATA0 : transactions == 2'd2 ? PID_DATA1 : PID_DATA2,
                bytes > {1'b0, max_packet} ? max_packet : bytes[10:0]);
      state_word_q <= {1'b0, transactions - 2'd1, bytes > {1'b0, max_packet} ? bytes - {1'b0, max_packet} : 12'd0, opened};
    end
  endtask

  // A packet that waits in GO and for which there is a fault. NAK and STALL of an IN endpoint are left alone.
  wire spoil = state_q == GO && enable_i && fault_kind_i != F_NONE && !spoiled_q && !control &&
               (sends_data_q ? fault_kind_i <= F_FEEDBACK : fault_kind_i <= F_PID && !index_q[4]);
  // An argument of 0 stands for the usual one. (A function: worked out for a fault only.)
  function [3:0] other_pid;
    input [3:0] wanted;
    other_pid = wanted != 4'd0 ? wanted : tx_pid_q ^ 4'b1000;
  endfunction
  function [10:0] other_length;
    input [3:0] kind;
    input [11:0] argument;
    reg [11:0] change;
    reg [12:0] longer;
    begin
      change = argument == 12'd0 ? 12'd1 : argument;
      longer = {2'd0, tx_length_q} + {1'b0, change};
      case (kind)
        F_SHORT: other_length = change >= {1'b0, tx_length_q} ? 11'd0 : tx_length_q - change[10:0];
        F_LONG: other_length = |longer[12:11] ? 11'h7FF : longer[10:0];
        F_EMPTY: other_length = 11'd0;
        default: other_length = tx_length_q;
      endcase
    end
  endfunction
  always @(posedge clk_i) begin
    if (spoil) begin
      spoiled_q <= 1'b1;
      invalid_q <= fault_kind_i == F_SILENT || fault_kind_i == F_PID_CHECK || fault_kind_i == F_CRC ||
                   (fault_kind_i == F_PID && fault_argument_i[3:0] != 4'd0 && (fault_argument_i[1:0] == 2'b11) != sends_data_q);
      silent_q  <= fault_kind_i == F_SILENT;
      crc_bad_q <= fault_kind_i == F_CRC;
      if (fault_kind_i == F_PID_CHECK) pid_mask_q <= fault_argument_i[3:0] != 4'd0 ? fault_argument_i[3:0] : 4'b1111;
      if (fault_kind_i == F_PAYLOAD) data_mask_q <= fault_argument_i[7:0] != 8'd0 ? fault_argument_i[7:0] : 8'hFF;
      // At high speed this clock is one of the delay; at full speed it is one of TURN_FS.
      if (fault_kind_i == F_DELAY) delay_q <= high_speed_i && fault_argument_i != 12'd0 ? fault_argument_i - 12'd1 : fault_argument_i;
    end else if (spoiled_q || rst_i) begin
      if (state_q == GO && turned && delay_q != 12'd0) delay_q <= delay_q - 12'd1;
      if ((state_q == SENDING && (tx_done_i || silent_q)) || !enable_i || rst_i) begin
        spoiled_q   <= 1'b0;
        invalid_q   <= 1'b0;
        silent_q    <= 1'b0;
        crc_bad_q   <= 1'b0;
        pid_mask_q  <= 4'd0;
        data_mask_q <= 8'd0;
        delay_q     <= 12'd0;
      end
    end
  end

  task write_out_state;
    input done;
    input bad;
    input [1:0] position;
    input [23:0] opened;
    begin
      strobe_q[S_STATE_WE] <= 1'b1;
      state_word_q <= {done, position, 11'd0, bad, opened};
    end
  endtask

  // Temporaries, of no meaning outside one clock: assigned before they are read, so blocking assignments are meant.
  /* verilator lint_off BLKSEQ */
  // The open service interval is still the present one.
  reg same;
  // The host broke off what we waited for; the packet that ended is something else.
  task give_up;
    begin
      deadline_valid_q <= 1'b0;
      state_q <= IDLE;
      if (state_q == WAIT_ACK && !control) begin
        strobe_q[S_IN_DONE] <= 1'b1;
        in_ok_q <= 1'b0;
      end
      if (state_q == WAIT_DATA && accept_q && !control) strobe_q[S_OUT_DISCARD] <= 1'b1;
      if (state_q != IDLE) emit(EV_ERROR, 16'd0, 8'd0, BAD_TIMEOUT);
    end
  endtask

  // A packet has ended while we listen.
  task packet_ended;
    if (length_i == 12'd0 || !pid_good_i || error_i || (is_token && !crc5_good_i)) begin
      give_up;
      if (state_q == WAIT_DATA && length_i != 12'd0 && pid_good_i && is_data) begin
        judged_q <= BAD_RX;
        strobe_q[S_EVENT] <= 1'b0;
        strobe_q[S_OUT_DISCARD] <= 1'b0;
        state_q <= JUDGE;
      end else if (error_i) emit_stray(BAD_RX);
      else if (length_i == 12'd0) emit_stray(BAD_SHORT);
      else if (!pid_good_i) emit_stray(BAD_PID);
      else emit_stray(length_i < 12'd3 ? BAD_SHORT : length_i > 12'd3 ? BAD_LONG : BAD_CRC5);
    end else if (is_token) begin
      give_up;
      if (pid_i[3:0] != PID_SOF) begin
        token_pid_q <= pid_i[3:0];
        mine_q <= token_i[6:0] == address_i;
        index_q <= {pid_i[3:0] == PID_IN, token_i[10:7]};
        strobe_q[S_FAULT_FETCH] <= 1'b1;
        state_q <= DECIDE;
      end
    end else if (is_data && state_q == WAIT_DATA) begin
      deadline_valid_q <= 1'b0;
      judged_q <= length_i < 12'd3 ? BAD_SHORT : !crc16_good_i ? BAD_CRC16 :
                  length_i - 12'd3 > (control ? (token_pid_q == PID_SETUP ? 12'd8 : 12'd64) : {1'b0, max_packet}) ? BAD_LONG : 4'd0;
      state_q <= JUDGE;
    end else if (pid_i[3:0] == PID_ACK && state_q == WAIT_ACK && length_i == 12'd1) begin
      deadline_valid_q <= 1'b0;
      state_q <= IDLE;
      emit(EV_HANDSHAKE, 16'd0, pid_i, 4'd0);
      event_endpoint_q[4] <= 1'b0;  // received
      if (control) strobe_q[S_CTL_IN_DONE] <= 1'b1;
      else begin
        strobe_q[S_IN_DONE] <= 1'b1;
        in_ok_q <= 1'b1;
        strobe_q[S_FLIP] <= 1'b1;
        strobe_q[S_STATE_WE] <= 1'b1;
        state_word_q <= 39'd0;
      end
    end else if (state_q != IDLE) give_up;
  endtask

  // A step through the endpoints whose interval was not complete: look one up. Between packets only.
  task sweep;
    begin
      sweep_q <= sweep_q + 5'd1;
      token_pid_q <= PID_SOF;
      index_q <= {1'b0, sweep_q[3:0]};
      if (unfinished_q[sweep_q[3:0]]) state_q <= DECIDE;
    end
  endtask

  // The open interval ended before its sequence did.
  wire incomplete = !fresh_i && state_i[37:36] != 2'd0 && !state_i[38] && !state_i[24];
  task end_interval;
    begin
      state_q <= IDLE;
      out_engine_q <= engine;
      if (!valid_i || !isochronous || !same) unfinished_q[index_q[3:0]] <= 1'b0;
      if (valid_i && isochronous && !same && incomplete) state_q <= STALE;
    end
  endtask

  // The token is decoded and the endpoint's table entry has been read.
  task decide;
    begin
      emit(EV_TOKEN, 16'd0, {~token_pid_q, token_pid_q}, 4'd0);
      event_engine_q <= engine;
      state_q <= IDLE;
      accept_q <= 1'b0;
      if (test_mode_i != 3'd0) begin
        event_kind_q <= EV_OTHER;
        if (test_mode_i == TEST_SE0_NAK && token_pid_q == PID_IN) answer(PID_NAK);
      end else if (!mine_q) event_kind_q <= EV_OTHER;
      else if (control) decide_control;
      else if (!valid_i || token_pid_q == PID_SETUP) begin
        event_kind_q <= EV_OTHER;
      end else if (token_pid_q == PID_IN) begin
        in_engine_q <= engine;
        if (isochronous) decide_isochronous_in;
        else decide_bulk_in;
      end else begin
        out_engine_q <= engine;
        if (isochronous) decide_isochronous_out;
        else if (token_pid_q == PID_OUT) begin
          state_q <= WAIT_DATA;
          wait_for_host;
        end else if (high_speed_i) begin
          // The engine is the one of this token only from the next clock on: ask for room then.
          room_wait_q <= 2'd2;
          state_q <= STALE;
        end
      end
    end
  endtask

  task decide_control;
    case (token_pid_q)
      PID_IN:
      case (ctl_in_kind_i)
        2'd0: answer(PID_NAK);
        2'd1: begin
          strobe_q[S_CTL_IN_START] <= 1'b1;
          send_data(ctl_in_toggle_i ? PID_DATA1 : PID_DATA0, {4'd0, ctl_in_length_i});
        end
        default: answer(PID_STALL);
      endcase
      PID_PING: if (high_speed_i) answer(ctl_out_kind_i == 2'd0 ? PID_NAK : ctl_out_kind_i == 2'd1 ? PID_ACK : PID_STALL);
      default: begin
        state_q <= WAIT_DATA;
        wait_for_host;
      end
    endcase
  endtask

  task decide_isochronous_in;
    begin
      extra_q <= 1'b0;
      sent_status_q <= 4'd0;
      if (!same) begin
        strobe_q[S_IN_OPEN] <= 1'b1;
        state_q <= OPEN;
      end else if (state_i[37:36] != 2'd0) send_isochronous(state_i[35:24], state_i[37:36], state_i[23:0]);
      else begin
        extra_q <= 1'b1;
        sent_status_q <= 4'd1;
        send_data(PID_DATA0, 11'd0);
      end
    end
  endtask

  task decide_bulk_in;
    begin
      extra_q <= 1'b0;
      sent_status_q <= 4'd0;
      if (halt_i) answer(PID_STALL);
      else if (!fresh_i && state_i[38]) begin
        strobe_q[S_IN_START] <= 1'b1;
        send_data(toggle_i ? PID_DATA1 : PID_DATA0, state_i[34:24]);
      end else begin
        strobe_q[S_IN_OPEN] <= 1'b1;
        state_q <= OPEN;
      end
    end
  endtask

  task decide_isochronous_out;
    if (token_pid_q == PID_OUT) begin
      state_q <= WAIT_DATA;
      wait_for_host;
      position_q <= same ? state_i[37:36] : 2'd0;
      interval_done_q <= same && state_i[38];
      interval_bad_q <= same && state_i[24];
      if (!same && incomplete) state_q <= STALE;
    end
  endtask

  // The function's offer is there: no more of it than one, two or three packets can carry.
  reg [11:0] one, two, most, offered;
  task offer;
    if (isochronous) begin
      sent_status_q <= in_has_i ? 4'd0 : 4'd2;
      one = {1'b0, max_packet};
      two = {max_packet, 1'b0};
      most = additional == 2'd0 ? one : additional == 2'd1 ? two : one + two;
      offered = !in_has_i ? 12'd0 : in_bytes_i > most ? most : in_bytes_i;
      send_isochronous(offered, offered <= one ? 2'd1 : offered <= two ? 2'd2 : 2'd3, count_i);
    end else if (in_has_i) begin
      strobe_q[S_IN_START] <= 1'b1;
      strobe_q[S_STATE_WE] <= 1'b1;
      state_word_q <= {4'b1000, in_bytes_i > {1'b0, max_packet} ? max_packet : in_bytes_i[10:0], 24'd0};
      send_data(toggle_i ? PID_DATA1 : PID_DATA0, in_bytes_i > {1'b0, max_packet} ? max_packet : in_bytes_i[10:0]);
    end else answer(PID_NAK);
  endtask

  // A data packet begins after our OUT or SETUP: may its bytes be handed on?
  reg taken;
  task data_begins;
    begin
      taken = pid_good_i && is_data;
      sequence_good_q <= 1'b1;
      room_q <= out_room_i;
      ctl_kind_q <= ctl_out_kind_i;
      left_q <= max_packet;
      strobe_q[S_FAULT_FETCH] <= 1'b1;
      if (control) begin
        left_q <= token_pid_q == PID_SETUP ? 11'd8 : 11'd64;
        if (token_pid_q == PID_SETUP) begin
          sequence_good_q <= pid_i[3:0] == PID_DATA0;
          if (taken) strobe_q[S_SETUP_START] <= 1'b1;
        end else begin
          sequence_good_q <= pid_i[3:0] == (ctl_out_toggle_i ? PID_DATA1 : PID_DATA0);
          taken = taken && ctl_out_kind_i == 2'd1 && pid_i[3:0] == (ctl_out_toggle_i ? PID_DATA1 : PID_DATA0);
          if (taken) strobe_q[S_CTL_OUT_START] <= 1'b1;
        end
      end else begin
        if (isochronous) begin
          final_q <= pid_i[3:0] != PID_MDATA;
          if (!in_sequence(pid_i[3:0], position_q, additional, interval_done_q, high_speed_i)) begin
            sequence_good_q <= 1'b0;
            taken = 1'b0;
          end
          if (interval_bad_q) taken = 1'b0;
        end else begin
          sequence_good_q <= pid_i[3:0] == (toggle_i ? PID_DATA1 : PID_DATA0);
          taken = taken && pid_i[3:0] == (toggle_i ? PID_DATA1 : PID_DATA0) && !halt_i && out_room_i;
        end
        if (taken) strobe_q[S_OUT_START] <= 1'b1;
      end
      accept_q <= taken;
    end
  endtask

  // Whether an isochronous OUT packet fits after `position` packets of the interval [5.9.2].
  function in_sequence;
    input [3:0] pid;
    input [1:0] position;
    input [1:0] more;
    input done;
    input high_speed;
    if (!high_speed) in_sequence = !done && (pid == PID_DATA0 || pid == PID_DATA1);
    else
      case (pid)
        PID_MDATA: in_sequence = !done && position < more;
        PID_DATA0: in_sequence = !done && position == 2'd0;
        PID_DATA1: in_sequence = !done && position == 2'd1;
        default: in_sequence = !done && position == 2'd2;
      endcase
  endfunction

  // The data packet is judged; hand it on or drop it, and answer.
  task act;
    begin
      state_q <= IDLE;
      emit(EV_DATA_OUT, length_i < 12'd3 ? 16'd0 : {4'd0, length_i - 12'd3}, pid_i, judged_q);
      if (control) act_control;
      else if (isochronous) act_isochronous;
      else if (judged_q != 4'd0) begin
        if (accept_q) strobe_q[S_OUT_DISCARD] <= 1'b1;
      end else if (halt_i) answer(PID_STALL);
      else if (!sequence_good_q) begin
        event_status_q <= BAD_TOGGLE;
        // The host missed our ACK of the packet before. DATA2 and MDATA have no place here at all.
        if (pid_i[2:0] == 3'b011) answer(PID_ACK);
      end else if (!room_q) answer(PID_NAK);
      else begin
        strobe_q[S_OUT_END] <= 1'b1;
        strobe_q[S_OUT_COMMIT] <= 1'b1;
        strobe_q[S_FLIP] <= 1'b1;
        if (out_overflow_i) event_status_q <= BAD_OVERFLOW;
        if (high_speed_i) begin
          room_wait_q <= 2'd2;
          state_q <= STALE;
        end else answer(PID_ACK);
      end
    end
  endtask

  task act_control;
    if (judged_q != 4'd0) begin
      // No answer: the host tries again.
    end else if (token_pid_q == PID_SETUP) begin
      if (!sequence_good_q) event_status_q <= BAD_TOGGLE;
      else if (length_i != 12'd11) event_status_q <= BAD_SHORT;
      else begin
        strobe_q[S_SETUP_DONE] <= 1'b1;
        answer(PID_ACK);
      end
    end else if (ctl_kind_q == 2'd0) answer(PID_NAK);
    else if (ctl_kind_q == 2'd2) answer(PID_STALL);
    else begin
      if (accept_q) strobe_q[S_CTL_OUT_DONE] <= 1'b1;
      else event_status_q <= BAD_TOGGLE;
      if (pid_i[2:0] == 3'b011) answer(PID_ACK);
    end
  endtask

  task act_isochronous;
    if (judged_q != 4'd0 || !sequence_good_q) begin
      if (judged_q == 4'd0) event_status_q <= BAD_SEQUENCE;
      if (!interval_bad_q) strobe_q[S_OUT_DISCARD] <= 1'b1;
      // A packet after a complete interval does not undo it.
      write_out_state(interval_done_q, !interval_done_q, position_q, count_i);
      unfinished_q[index_q[3:0]] <= 1'b0;
    end else begin
      if (!interval_bad_q) begin
        strobe_q[S_OUT_END] <= 1'b1;
        strobe_q[S_OUT_COMMIT] <= final_q;
        if (final_q && out_overflow_i) event_status_q <= BAD_OVERFLOW;
      end
      write_out_state(final_q, interval_bad_q, position_q + 2'd1, count_i);
      unfinished_q[index_q[3:0]] <= !final_q && !interval_bad_q;
    end
  endtask

  always @(posedge clk_i) begin
    if (strobe_q != {S_COUNT{1'b0}}) strobe_q <= {S_COUNT{1'b0}};
    if (taking) left_q <= left_q - 11'd1;
    if (end_i) ended_q <= stamp_i;
    if (state_q == DECIDE || tx_done_i) deadline_q <= stamp_i + (high_speed_i ? TIMEOUT_HS : TIMEOUT_FS);
    if (start_i) deadline_valid_q <= 1'b0;
    if (tick_i && unfinished_q != 16'd0) sweep_q <= 5'd0;
    if (pid_valid_i && state_q == WAIT_DATA) data_begins;
    case (state_q)
      IDLE:
      if (end_i && enable_i) packet_ended;
      else if (sweeping) sweep;
      else if (test_packet_i) begin
        index_q <= 5'h10;
        strobe_q[S_CTL_IN_START] <= 1'b1;
        send_data(PID_DATA0, {4'd0, ctl_in_length_i});
      end
      WAIT_ACK, WAIT_DATA: begin
        if (end_i) packet_ended;
        else if (timed_out && !start_i) give_up;
      end
      SENDING:
      if (tx_done_i || silent_q) begin
        state_q <= IDLE;
        emit(invalid_q ? EV_ERROR : sends_data_q ? EV_DATA_IN : EV_HANDSHAKE, {5'd0, tx_length_q}, {~tx_pid_q ^ pid_mask_q, tx_pid_q},
             invalid_q ? BAD_ON_PURPOSE : spoiled_q ? SENT_SPOILED : control || !sends_data_q ? 4'd0 : sent_status_q);
        if (!sends_data_q) begin
          if (!invalid_q) event_endpoint_q[4] <= 1'b1;  // sent
        end else begin
          if (control || !isochronous) begin
            state_q <= WAIT_ACK;
            wait_for_host;
          end else if (!extra_q) begin
            strobe_q[S_IN_DONE] <= 1'b1;
            in_ok_q <= 1'b1;
          end
        end
      end
      DECIDE: begin
        same = !fresh_i && ((state_i[23:0] ^ count_i) >> interval_log2) == 24'd0;
        if (token_pid_q == PID_SOF) end_interval;
        else decide;
      end
      OPEN: state_q <= OFFER;
      OFFER: offer;
      START: state_q <= GO;
      GO:
      if (spoil) begin
        if (fault_kind_i == F_PID) tx_pid_q <= other_pid(fault_argument_i[3:0]);
        tx_length_q <= other_length(fault_kind_i, fault_argument_i);
      end else if (turned && delay_q == 12'd0) begin
        state_q <= SENDING;
        if (!control) strobe_q[S_FAULT_TAKEN] <= sends_data_q || !index_q[4];
      end
      JUDGE: state_q <= ACT;
      ACT: act;
      // After the token or the data, a few clocks for the function to say whether there is room; or the discard of a stale interval.
      STALE:
      if (isochronous) begin
        strobe_q[S_OUT_DISCARD] <= 1'b1;
        emit(EV_ERROR, 16'd0, 8'd0, BAD_SEQUENCE);
        write_out_state(1'b0, 1'b1, 2'd0, state_i[23:0]);
        state_q <= token_pid_q == PID_SOF ? IDLE : WAIT_DATA;
      end else if (room_wait_q != 2'd0) room_wait_q <= room_wait_q - 2'd1;
      else if (token_pid_q == PID_PING) answer(halt_i ? PID_STALL : out_room_i ? PID_ACK : PID_NAK);
      else answer(out_room_i ? PID_ACK : PID_NYET);
      default: state_q <= IDLE;
    endcase
    if (!enable_i && state_q != IDLE) begin
      // What has come of a packet must not stay before the next one's bytes.
      if (state_q == WAIT_DATA) give_up;
      state_q <= IDLE;
      deadline_valid_q <= 1'b0;
    end
    if (rst_i) begin
      state_q <= IDLE;
      deadline_valid_q <= 1'b0;
      strobe_q <= {S_COUNT{1'b0}};
      accept_q <= 1'b0;
      unfinished_q <= 16'd0;
      sweep_q <= 5'd16;
    end
  end

  /* verilator lint_on BLKSEQ */

  assign tx_start_o = state_q == GO && turned && enable_i && !spoil && delay_q == 12'd0 && !silent_q;
  assign tx_pid_o = tx_pid_q;
  assign tx_length_o = tx_length_q;
  assign tx_pid_mask_o = pid_mask_q;
  assign tx_crc_bad_o = crc_bad_q;
  assign tx_data_mask_o = data_mask_q;
  assign fault_fetch_o = strobe_q[S_FAULT_FETCH];
  assign fault_in_o = index_q[4];
  assign fault_engine_o = engine;
  assign fault_taken_o = strobe_q[S_FAULT_TAKEN];
  assign sof_o = sof_w;
  assign lookup_o = (end_i && listening && is_token && pid_i[3:0] != PID_SOF) || sweeping;
  assign lookup_index_o = sweeping ? {1'b0, sweep_q[3:0]} : {pid_i[3:0] == PID_IN, token_i[10:7]};
  assign flip_o = strobe_q[S_FLIP];
  assign state_we_o = strobe_q[S_STATE_WE];
  assign state_o = state_word_q;
  assign control_o = control;
  assign ctl_setup_start_o = strobe_q[S_SETUP_START];
  assign ctl_setup_done_o = strobe_q[S_SETUP_DONE];
  assign ctl_out_start_o = strobe_q[S_CTL_OUT_START];
  assign ctl_out_done_o = strobe_q[S_CTL_OUT_DONE];
  assign ctl_valid_o = taking && control;
  assign ctl_in_start_o = strobe_q[S_CTL_IN_START];
  assign ctl_in_done_o = strobe_q[S_CTL_IN_DONE];
  assign in_engine_o = in_engine_q;
  assign in_open_o = strobe_q[S_IN_OPEN];
  assign in_start_o = strobe_q[S_IN_START];
  assign in_length_o = tx_length_q;
  assign in_done_o = strobe_q[S_IN_DONE];
  assign in_ok_o = in_ok_q;
  assign out_engine_o = out_engine_q;
  assign out_start_o = strobe_q[S_OUT_START];
  assign out_valid_o = taking && !control;
  assign out_end_o = strobe_q[S_OUT_END];
  assign out_commit_o = strobe_q[S_OUT_COMMIT];
  assign out_discard_o = strobe_q[S_OUT_DISCARD];
  assign event_o = strobe_q[S_EVENT];
  assign event_kind_o = event_kind_q;
  assign event_endpoint_o = event_endpoint_q;
  assign event_engine_o = event_engine_q;
  assign event_length_o = event_length_q;
  assign event_pid_o = event_pid_q;
  assign event_status_o = event_status_q;
  assign deadline_valid_o = deadline_valid_q;
  assign deadline_o = deadline_q;
  assign quiet_o = !state_q[3] && !(state_q == WAIT_DATA && (pid_valid_i || byte_valid_i)) && sweep_q[4] && !test_packet_i && strobe_q == {S_COUNT{1'b0}} && !silent_q;
endmodule

`default_nettype wire
