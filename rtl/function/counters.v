// isochio: all counters of docs/registers.md in one block RAM of 512 words, brought up to date one addition at a time. Only SOF is a register:
// it is the one that counts on an idle bus, where a simulation's time would go into its additions.
//
// Address: {side, engine, index}: side 0 the general counters (index = register - 0x010), 1 IN, 2 OUT (index = register - 8).
// An addition takes 3 clocks (choose, read, write), one begins at every other. Events wait in a queue of eight and a sink's job in its outputs, which
// no bus outruns; only during a clear (512 clocks) a ninth event is not counted. rdata_o is valid 1 clock after read_i.
`default_nettype none

module counters #(
    // log2 of the engines of a direction, 1 ... 3.
    parameter ENGINE_BITS = 3
) (
    input  wire                   clk_i,
    input  wire                   rst_i,
    input  wire                   clear_i,
    // Events.
    input  wire                   event_i,
    input  wire [            3:0] kind_i,
    input  wire                   endpoint_i,       // the endpoint number is not 0: engine_i is concerned
    input  wire                   in_i,             // of the IN side
    input  wire [ENGINE_BITS-1:0] engine_i,
    input  wire [           10:0] length_i,
    input  wire [            3:0] status_i,
    input  wire                   discard_i,
    // The sink's jobs.
    input  wire                   job_i,
    input  wire [ENGINE_BITS-1:0] job_engine_i,
    input  wire [            1:0] job_packets_i,
    input  wire [           12:0] job_bytes_i,
    input  wire [            1:0] job_zero_length_i,
    input  wire [           31:0] job_lost_i,
    input  wire [            1:0] job_duplicate_i,
    input  wire [            1:0] job_reordered_i,
    input  wire [            1:0] job_corrupt_i,
    input  wire [            1:0] job_mistimed_i,
    input  wire [            1:0] job_truncated_i,
    input  wire [           31:0] job_bad_sequence_i,
    input  wire [           26:0] job_bad_i,
    input  wire                   dropped_i,        // the loopback buffer dropped an interval of dropped_engine_i
    input  wire [ENGINE_BITS-1:0] dropped_engine_i,
    // Registers.
    input  wire                   read_i,
    input  wire [            8:0] address_i,
    output wire [           31:0] rdata_o,
    output wire                   busy_o
);
  localparam ENGINES = 1 << ENGINE_BITS;
  localparam [3:0] SOF = 4'd0, SOF_MISSED = 4'd1, DATA_IN = 4'd3, DATA_OUT = 4'd4, HANDSHAKE = 4'd5, ERROR = 4'd6, LINE = 4'd7,
                   TOKEN_OTHER = 4'd8;
  // Spoiled by a FAULT register: a packet that was sent all the same; an ERROR.
  localparam [3:0] SENT_SPOILED = 4'd3, STATUS_ON_PURPOSE = 4'd11;
  localparam [3:0] UNEXPECTED = 4'd1, STATUS_SEQUENCE = 4'd8, LINE_RESET = 4'd1, LINE_SUSPEND = 4'd4;

  // Where SOF would be in the RAM.
  localparam [8:0] SOF_ADDRESS = 9'd0;

  // Bits of todo_q, one addition each. FIRST is the general counter in first_q, SECOND is SOF_UNEXPECTED.
  localparam FIRST = 0, SECOND = 1, IN_PACKETS = 2, IN_BYTES = 3, IN_ZERO_LENGTH = 4, IN_DUPLICATE = 5, OUT_SEQUENCE_ERRORS = 6,
      FAULTS = 7, DISCARDED = 8, OUT_OVERFLOW = 9, JOB = 10, ADDITIONS = 21;

  reg [31:0] counter_q[0:511];
  reg [31:0] read_q;
  reg [31:0] sof_q;
  reg shows_sof_q;  // rdata_o is SOF
  reg clearing_q;
  reg [8:0] clear_at_q;

  function [2:0] three(input [ENGINE_BITS-1:0] engine);
    begin
      three = 3'd0;
      three[ENGINE_BITS-1:0] = engine;
    end
  endfunction

  // ---- events that count, in the order they came; the queue is passed by when nothing waits
  reg [23:0] event_q[0:7];
  reg [3:0] event_in_q, event_out_q;
  wire waiting = event_in_q != event_out_q;
  function [3:0] error_counter(input [3:0] error);
    case (error)
      4'd1: error_counter = 4'd3;      // CRC5
      4'd2: error_counter = 4'd4;      // CRC16
      4'd3: error_counter = 4'd5;      // PID
      4'd4: error_counter = 4'd6;      // RX_ERROR
      4'd5: error_counter = 4'd7;      // TRUNCATED
      4'd6: error_counter = 4'd8;      // OVERSIZED
      4'd7: error_counter = 4'd9;      // TIMEOUT
      default: error_counter = 4'd11;  // SEQUENCE
    endcase
  endfunction

  // ---- what is to be added
  reg [ADDITIONS-1:0] todo_q;
  reg [3:0] first_q;
  reg [2:0] event_engine_q, job_engine_q, dropped_engine_q;
  reg event_in_side_q;
  reg [10:0] length_q;
  reg [3:0] discards_q;
  reg [ENGINES-1:0] bad_seen_q;  // FIRST_BAD is taken

  reg chosen_q, writing_q;
  wire busy = todo_q != {ADDITIONS{1'b0}} || waiting || chosen_q || writing_q || clearing_q;
  wire active = busy || event_i || discard_i || dropped_i || job_i || clear_i;

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver. Registers are read before they are written; the
  // simulator then needs no copies of them, and nothing is done at a clock with nothing to do.
  // verilator lint_off BLKSEQ
  reg [23:0] head;
  reg [3:0] kind, status;
  reg choose, load, counts, full, spoiled;
  reg [23:0] arriving;
  reg [ADDITIONS-1:0] todo;

  always @(posedge clk_i) begin
    if (active || rst_i) begin
      spoiled = endpoint_i && (kind_i == ERROR ? status_i == STATUS_ON_PURPOSE :
                               (kind_i == DATA_IN || kind_i == HANDSHAKE) && status_i == SENT_SPOILED);
      counts = event_i &&
          (spoiled || (kind_i == SOF && status_i == UNEXPECTED) || kind_i == SOF_MISSED || kind_i == TOKEN_OTHER || (kind_i == DATA_IN && endpoint_i) ||
           ((kind_i == DATA_OUT || kind_i == ERROR) && status_i != 4'd0 && status_i <= STATUS_SEQUENCE) ||
           (kind_i == LINE && (status_i == LINE_RESET || status_i == LINE_SUSPEND)));
      arriving = {in_i && kind_i != HANDSHAKE, kind_i, status_i, endpoint_i, three(engine_i), length_i};
      full     = event_in_q == {!event_out_q[3], event_out_q[2:0]};
      todo   = todo_q;
      choose = todo != {ADDITIONS{1'b0}} && !clearing_q && !chosen_q;  // the last one is written before this one reads
      load   = (waiting || counts) && todo[FAULTS:FIRST] == 8'd0;
      head   = waiting ? event_q[event_out_q[2:0]] : arriving;
      kind   = head[22:19];
      status = head[18:15];
      if (choose) todo = todo & (todo - 1'b1);
      if (load) begin
        todo[FIRST]  = kind == DATA_IN ? status == 4'd2 :
            kind != SOF && kind != HANDSHAKE && !(kind == ERROR && status == STATUS_ON_PURPOSE);
        todo[FAULTS] = kind == HANDSHAKE || (kind == DATA_IN ? status == SENT_SPOILED : kind == ERROR && status == STATUS_ON_PURPOSE);
        todo[SECOND] = kind == SOF;
        if (kind == DATA_IN) begin
          todo[IN_PACKETS]     = 1'b1;
          todo[IN_BYTES]       = head[10:0] != 11'd0;
          todo[IN_ZERO_LENGTH] = head[10:0] == 11'd0;
          todo[IN_DUPLICATE]   = status == 4'd1;
        end
        todo[OUT_SEQUENCE_ERRORS] = (kind == DATA_OUT || kind == ERROR) && status == STATUS_SEQUENCE && head[14];
        case (kind)
          SOF_MISSED: first_q <= 4'd1;
          TOKEN_OTHER: first_q <= 4'd10;
          DATA_IN: first_q <= 4'd13;  // IN_EMPTY
          LINE: first_q <= status == LINE_RESET ? 4'd14 : 4'd15;
          default: first_q <= error_counter(status);
        endcase
        event_in_side_q <= head[23];
        event_engine_q <= head[13:11];
        length_q       <= head[10:0];
      end
      if (event_i && kind_i == SOF) sof_q <= sof_q + 32'd1;
      if (discard_i) begin  // of several engines at successive clocks, for all we know
        discards_q <= todo[DISCARDED] ? discards_q + 4'd1 : 4'd1;
        todo[DISCARDED] = 1'b1;
      end
      if (dropped_i) begin
        todo[OUT_OVERFLOW] = 1'b1;
        dropped_engine_q <= three(dropped_engine_i);
      end
      if (job_i) begin
        job_engine_q <= three(job_engine_i);
        todo[ADDITIONS-1:JOB] = {job_truncated_i != 2'd0, {2{job_corrupt_i != 2'd0 && !bad_seen_q[job_engine_i]}},
                            job_mistimed_i != 2'd0, job_corrupt_i != 2'd0, job_reordered_i != 2'd0, job_duplicate_i != 2'd0,
                            job_lost_i != 32'd0, job_zero_length_i != 2'd0, job_bytes_i != 13'd0, 1'b1};
        if (job_corrupt_i != 2'd0) bad_seen_q[job_engine_i] <= 1'b1;
      end
      if (counts && !full && (waiting || !load)) begin
        event_q[event_in_q[2:0]] <= arriving;
        event_in_q <= event_in_q + 4'd1;
      end
      if (load && waiting) event_out_q <= event_out_q + 4'd1;
      if (rst_i || clear_i) begin
        event_in_q  <= 4'd0;
        event_out_q <= 4'd0;
        bad_seen_q  <= {ENGINES{1'b0}};
        sof_q       <= 32'd0;
        todo = {ADDITIONS{1'b0}};
      end
      todo_q <= todo;
    end
  end

  // ---- additions: choose, read, write
  reg [8:0] address_q, write_at_q, read_at, write_at;
  reg [31:0] addend_q, write_addend_q, sum;
  reg set_q, write_set_q, selected, read;

  always @(posedge clk_i) begin
    if (active || read_i || rst_i) begin
      read     = chosen_q && !read_i;
      selected = todo_q != {ADDITIONS{1'b0}} && !clearing_q && !chosen_q;
      read_at  = read_i ? address_i : address_q;
      write_at = clearing_q ? clear_at_q : write_at_q;
      sum      = clearing_q ? 32'd0 : write_set_q ? write_addend_q : read_q + write_addend_q;
      if (clearing_q || writing_q) counter_q[write_at] <= sum;
      if (read_i || read) read_q <= counter_q[read_at];
      if (read_i) shows_sof_q <= address_i == SOF_ADDRESS;
      if (read) begin
        write_at_q     <= address_q;
        write_addend_q <= addend_q;
        write_set_q    <= set_q;
      end
      writing_q  <= read && !rst_i && !clear_i;
      chosen_q   <= (selected || (chosen_q && read_i)) && !rst_i && !clear_i;
      clearing_q <= rst_i || clear_i || (clearing_q && clear_at_q != 9'd511);
      clear_at_q <= rst_i || clear_i ? 9'd0 : clear_at_q + {8'd0, clearing_q};
      if (selected) begin
        set_q    <= 1'b0;
        addend_q <= 32'd1;
        if (todo_q[FIRST]) begin
          address_q <= {5'd0, first_q};
        end else if (todo_q[SECOND]) begin
          address_q <= {5'd0, 4'd2};  // SOF_UNEXPECTED
        end else if (todo_q[IN_PACKETS]) begin
          address_q <= {2'd1, event_engine_q, 4'd0};
        end else if (todo_q[IN_BYTES]) begin
          address_q <= {2'd1, event_engine_q, 4'd1};
          addend_q  <= {21'd0, length_q};
        end else if (todo_q[IN_ZERO_LENGTH]) begin
          address_q <= {2'd1, event_engine_q, 4'd2};
        end else if (todo_q[IN_DUPLICATE]) begin
          address_q <= {2'd1, event_engine_q, 4'd4};
        end else if (todo_q[OUT_SEQUENCE_ERRORS]) begin
          address_q <= {2'd2, event_engine_q, 4'd8};
        end else if (todo_q[FAULTS]) begin
          address_q <= {event_in_side_q ? 2'd1 : 2'd2, event_engine_q, 4'd13};
        end else if (todo_q[DISCARDED]) begin
          address_q <= {5'd0, 4'd12};
          addend_q  <= {28'd0, discards_q};
        end else if (todo_q[OUT_OVERFLOW]) begin
          address_q <= {2'd2, dropped_engine_q, 4'd9};
        end else begin
          address_q[8:4] <= {2'd2, job_engine_q};
          if (todo_q[JOB]) begin
            address_q[3:0] <= 4'd0;
            addend_q       <= {30'd0, job_packets_i};
          end else if (todo_q[JOB+1]) begin
            address_q[3:0] <= 4'd1;
            addend_q       <= {19'd0, job_bytes_i};
          end else if (todo_q[JOB+2]) begin
            address_q[3:0] <= 4'd2;
            addend_q       <= {30'd0, job_zero_length_i};
          end else if (todo_q[JOB+3]) begin
            address_q[3:0] <= 4'd3;
            addend_q       <= job_lost_i;
          end else if (todo_q[JOB+4]) begin
            address_q[3:0] <= 4'd4;
            addend_q       <= {30'd0, job_duplicate_i};
          end else if (todo_q[JOB+5]) begin
            address_q[3:0] <= 4'd5;
            addend_q       <= {30'd0, job_reordered_i};
          end else if (todo_q[JOB+6]) begin
            address_q[3:0] <= 4'd6;
            addend_q       <= {30'd0, job_corrupt_i};
          end else if (todo_q[JOB+7]) begin
            address_q[3:0] <= 4'd7;
            addend_q       <= {30'd0, job_mistimed_i};
          end else if (todo_q[JOB+8]) begin
            address_q[3:0] <= 4'd10;
            addend_q       <= job_bad_sequence_i;
            set_q          <= 1'b1;
          end else if (todo_q[JOB+9]) begin
            address_q[3:0] <= 4'd11;
            addend_q       <= {5'b10000, job_bad_i};
            set_q          <= 1'b1;
          end else begin
            address_q[3:0] <= 4'd12;
            addend_q       <= {30'd0, job_truncated_i};
          end
        end
      end
    end
  end

  assign rdata_o = shows_sof_q ? sof_q : read_q;
  assign busy_o = busy;
endmodule

`default_nettype wire
