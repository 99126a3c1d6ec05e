def a_record(**k): pass
class RecordStoreContract: pass
