/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM keel

#if !defined(KEEL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KEEL_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

/*
 * Events come in pairs, so that a timeline can be drawn from them: a job is
 * queued, started and done; boots, resets and changes of power are started and
 * done. @client is the file's number, as in fdinfo; @id the job's number in its
 * file; @seq its number on the NPU.
 */

/* clang-format off */
TRACE_EVENT(keel_job_queued,
	    TP_PROTO(struct device *dev, u64 client, u64 id, u32 queue, u32 commands),
	    TP_ARGS(dev, client, id, queue, commands),
	    TP_STRUCT__entry(__string(dev, dev_name(dev))
			     __field(u64, client)
			     __field(u64, id)
			     __field(u32, queue)
			     __field(u32, commands)),
	    TP_fast_assign(__assign_str(dev);
			   __entry->client = client;
			   __entry->id = id;
			   __entry->queue = queue;
			   __entry->commands = commands;),
	    TP_printk("dev=%s client=%llu id=%llu queue=%u commands=%u", __get_str(dev),
		      __entry->client, __entry->id, __entry->queue, __entry->commands));

TRACE_EVENT(keel_job_start,
	    TP_PROTO(struct device *dev, u64 client, u64 id, u32 seq, u32 replays),
	    TP_ARGS(dev, client, id, seq, replays),
	    TP_STRUCT__entry(__string(dev, dev_name(dev))
			     __field(u64, client)
			     __field(u64, id)
			     __field(u32, seq)
			     __field(u32, replays)),
	    TP_fast_assign(__assign_str(dev);
			   __entry->client = client;
			   __entry->id = id;
			   __entry->seq = seq;
			   __entry->replays = replays;),
	    TP_printk("dev=%s client=%llu id=%llu seq=%u replays=%u", __get_str(dev),
		      __entry->client, __entry->id, __entry->seq, __entry->replays));

TRACE_EVENT(keel_job_done,
	    TP_PROTO(struct device *dev, u64 client, u64 id, u32 seq, int status, u64 cycles),
	    TP_ARGS(dev, client, id, seq, status, cycles),
	    TP_STRUCT__entry(__string(dev, dev_name(dev))
			     __field(u64, client)
			     __field(u64, id)
			     __field(u32, seq)
			     __field(int, status)
			     __field(u64, cycles)),
	    TP_fast_assign(__assign_str(dev);
			   __entry->client = client;
			   __entry->id = id;
			   __entry->seq = seq;
			   __entry->status = status;
			   __entry->cycles = cycles;),
	    TP_printk("dev=%s client=%llu id=%llu seq=%u status=%d cycles=%llu", __get_str(dev),
		      __entry->client, __entry->id, __entry->seq, __entry->status,
		      __entry->cycles));

TRACE_EVENT(keel_job_timeout,
	    TP_PROTO(struct device *dev, u32 seq, u64 progress),
	    TP_ARGS(dev, seq, progress),
	    TP_STRUCT__entry(__string(dev, dev_name(dev))
			     __field(u32, seq)
			     __field(u64, progress)),
	    TP_fast_assign(__assign_str(dev);
			   __entry->seq = seq;
			   __entry->progress = progress;),
	    TP_printk("dev=%s seq=%u progress=%llu", __get_str(dev), __entry->seq,
		      __entry->progress));

TRACE_EVENT(keel_irq,
	    TP_PROTO(struct device *dev, u32 status),
	    TP_ARGS(dev, status),
	    TP_STRUCT__entry(__string(dev, dev_name(dev))
			     __field(u32, status)),
	    TP_fast_assign(__assign_str(dev);
			   __entry->status = status;),
	    TP_printk("dev=%s status=%#x", __get_str(dev), __entry->status));

TRACE_EVENT(keel_clock,
	    TP_PROTO(struct device *dev, u32 khz, u32 busy_percent),
	    TP_ARGS(dev, khz, busy_percent),
	    TP_STRUCT__entry(__string(dev, dev_name(dev))
			     __field(u32, khz)
			     __field(u32, busy_percent)),
	    TP_fast_assign(__assign_str(dev);
			   __entry->khz = khz;
			   __entry->busy_percent = busy_percent;),
	    TP_printk("dev=%s khz=%u busy=%u%%", __get_str(dev), __entry->khz,
		      __entry->busy_percent));

/* What takes a while and begins without more to say than where. */
DECLARE_EVENT_CLASS(keel_begin,
		    TP_PROTO(struct device *dev),
		    TP_ARGS(dev),
		    TP_STRUCT__entry(__string(dev, dev_name(dev))),
		    TP_fast_assign(__assign_str(dev);),
		    TP_printk("dev=%s", __get_str(dev)));

DEFINE_EVENT(keel_begin, keel_boot_start, TP_PROTO(struct device *dev), TP_ARGS(dev));
DEFINE_EVENT(keel_begin, keel_suspend_start, TP_PROTO(struct device *dev), TP_ARGS(dev));
DEFINE_EVENT(keel_begin, keel_resume_start, TP_PROTO(struct device *dev), TP_ARGS(dev));

/* How it ended: 0 or negative errno. */
DECLARE_EVENT_CLASS(keel_end,
		    TP_PROTO(struct device *dev, int err),
		    TP_ARGS(dev, err),
		    TP_STRUCT__entry(__string(dev, dev_name(dev))
				     __field(int, err)),
		    TP_fast_assign(__assign_str(dev);
				   __entry->err = err;),
		    TP_printk("dev=%s err=%d", __get_str(dev), __entry->err));

DEFINE_EVENT(keel_end, keel_boot_done,
	     TP_PROTO(struct device *dev, int err), TP_ARGS(dev, err));
DEFINE_EVENT(keel_end, keel_suspend_done,
	     TP_PROTO(struct device *dev, int err), TP_ARGS(dev, err));
DEFINE_EVENT(keel_end, keel_resume_done,
	     TP_PROTO(struct device *dev, int err), TP_ARGS(dev, err));
DEFINE_EVENT(keel_end, keel_reset_done,
	     TP_PROTO(struct device *dev, int err), TP_ARGS(dev, err));

TRACE_EVENT(keel_reset_start,
	    TP_PROTO(struct device *dev, bool full, u32 seq),
	    TP_ARGS(dev, full, seq),
	    TP_STRUCT__entry(__string(dev, dev_name(dev))
			     __field(bool, full)
			     __field(u32, seq)),
	    TP_fast_assign(__assign_str(dev);
			   __entry->full = full;
			   __entry->seq = seq;),
	    TP_printk("dev=%s kind=%s seq=%u", __get_str(dev),
		      __entry->full ? "full" : "engines", __entry->seq));

#endif

/* clang-format on */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE keel_trace
#include <trace/define_trace.h>
