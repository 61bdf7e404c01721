import { statfsSync } from 'node:fs';

const REMOTE: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB',
  0x65735546: 'FUSE',
  0x01021997: '9p',
  0x00c36400: 'Ceph',
  0x0bd00bd0: 'Lustre',
};

/** The kind of file system below this path if it may be shared with other machines; they neither see each other's locks nor, at once, each other's writes. */
export function remoteKind(path: string): string | undefined {
  return REMOTE[statfsSync(path).type];
}
